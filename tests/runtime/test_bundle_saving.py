"""A bundle is a value: what is added, taken away and written, and that writing is whole or not at all."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from subpixel.bundle import Bundle, file_record, load, save
from subpixel.catalogue import bicubic_bundle, find, shipped_names
from subpixel.errors import BundleError, NotFoundError, OutputError, SubpixelError
from subpixel.manifest import MANIFEST_NAME, Manifest
from subpixel.spec import Variant

FORMS = ("espcn.spx", "espcn")


def added(shipped: Bundle, id: str = "onnx-fp16", path: str = "model.fp16.onnx", data: bytes = b"") -> Variant:
    return replace(shipped.reference, id=id, precision="fp16", files=(file_record(path, data),))


def tree(path: Path) -> dict[str, bytes]:
    """Everything below a folder, hidden files and folders too."""
    return {str(p.relative_to(path)): p.read_bytes() if p.is_file() else b"" for p in path.rglob("*")}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_saved_is_loaded_again(name: str, shipped: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "deep" / name
    saved = save(shipped, path)
    read = load(path)
    assert (read.files, read.path) == (shipped.files, path)
    assert read.manifest.variants == shipped.manifest.variants
    assert saved.path == path
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_the_same_bundle_is_the_same_bytes(shipped: Bundle, tmp_path: Path) -> None:
    save(shipped, tmp_path / "a.spx")
    save(load(tmp_path / "a.spx"), tmp_path / "b")
    save(load(tmp_path / "b"), tmp_path / "c.spx")
    assert (tmp_path / "a.spx").read_bytes() == (tmp_path / "c.spx").read_bytes()


def test_an_archive_is_a_plain_stored_zip(shipped: Bundle, tmp_path: Path) -> None:
    save(shipped, tmp_path / "a.spx")
    with zipfile.ZipFile(tmp_path / "a.spx") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist()[0] == MANIFEST_NAME
        archive.extractall(tmp_path / "unpacked")
    assert load(tmp_path / "unpacked").files == shipped.files


def test_plus_adds_and_leaves_the_old_one_as_it_was(shipped: Bundle) -> None:
    variant = added(shipped, data=b"model")
    larger = shipped.plus(variant, {"model.fp16.onnx": b"model"})
    assert larger.blobs(larger.manifest.variant("onnx-fp16")) == (b"model",)
    assert "model.fp16.onnx" not in shipped.files
    with pytest.raises(BundleError):
        shipped.manifest.variant("onnx-fp16")


def test_plus_replaces_a_variant_of_the_same_id_with_its_files(shipped: Bundle) -> None:
    once = shipped.plus(added(shipped, data=b"one"), {"model.fp16.onnx": b"one"})
    again = once.plus(added(shipped, path="other.onnx", data=b"two"), {"other.onnx": b"two"})
    assert [v.id for v in again.manifest.variants].count("onnx-fp16") == 1
    assert "model.fp16.onnx" not in again.files


def test_without_takes_a_variants_files_but_not_those_that_others_use(shipped: Bundle) -> None:
    shared = replace(added(shipped), files=shipped.reference.files)
    both = shipped.plus(shared, {})
    assert both.without("onnx-fp16").files == shipped.files
    assert shipped.reference.file.path in both.without("onnx-fp16").files
    fewer = shipped.without("openvino-fp32")
    assert "openvino/model.fp32.xml" not in fewer.files
    assert "openvino/model.fp32.bin" not in fewer.files


def test_plus_file_adds_and_replaces(shipped: Bundle) -> None:
    one = shipped.plus_file("notes.txt", b"one")
    two = one.plus_file("notes.txt", b"two")
    assert (one.files["notes.txt"], two.files["notes.txt"]) == (b"one", b"two")
    assert [f.path for f in two.manifest.files].count("notes.txt") == 1


@pytest.mark.parametrize("path", ["../outside", "/etc/x", "bundle.json", "a\\b", ""])
def test_nothing_is_added_under_a_path_that_load_would_refuse(path: str, shipped: Bundle) -> None:
    with pytest.raises(BundleError, match="plain path"):
        shipped.plus_file(path, b"x")


def test_bytes_that_do_not_fit_their_record_are_refused(shipped: Bundle) -> None:
    variant = added(shipped, data=b"right")
    for blobs in ({}, {"model.fp16.onnx": b"wrong"}, {"model.fp16.onnx": b"right and more"}):
        with pytest.raises(BundleError, match=r"model\.fp16\.onnx"):
            shipped.plus(variant, blobs)


def test_a_bundle_can_not_be_changed_in_place(shipped: Bundle) -> None:
    with pytest.raises(FrozenInstanceError):
        shipped.manifest = shipped.manifest  # type: ignore[misc]


@pytest.mark.parametrize("name", FORMS)
def test_an_existing_bundle_needs_overwrite(name: str, shipped: Bundle, tmp_path: Path) -> None:
    save(shipped, tmp_path / name)
    larger = shipped.plus_file("notes.txt", b"x")
    with pytest.raises(OutputError, match="--overwrite"):
        save(larger, tmp_path / name)
    assert load(tmp_path / name).files == shipped.files
    save(larger, tmp_path / name, overwrite=True)
    assert load(tmp_path / name).files == larger.files
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", FORMS)
def test_a_failing_write_leaves_the_old_bundle_and_nothing_else(name: str, shipped: Bundle, tmp_path: Path) -> None:
    """The system lets this process write no longer files: the same failure as a full disk."""
    resource = pytest.importorskip("resource", reason="this system has no limits for the size of files")
    save(shipped, tmp_path / name)
    before = tree(tmp_path)
    larger = shipped.plus_file("big.bin", bytes(3_000_000))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, usual[1]))
    try:
        with pytest.raises(OutputError, match="can't be written"):
            save(larger, tmp_path / name, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", FORMS)
def test_an_interrupted_write_leaves_the_old_bundle_and_nothing_else(
    name: str, shipped: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(shipped, tmp_path / name)
    before = tree(tmp_path)

    def interrupted(fresh: Path, path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("subpixel.bundle._swap", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(shipped.plus_file("notes.txt", b"x"), tmp_path / name, overwrite=True)
    assert tree(tmp_path) == before


def test_a_folder_that_can_not_be_put_in_place_leaves_the_old_one(
    shipped: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(shipped, tmp_path / "espcn")
    before, rename = tree(tmp_path), Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError):
        save(shipped.plus_file("notes.txt", b"x"), tmp_path / "espcn", overwrite=True)
    assert tree(tmp_path) == before


def strangers_file(folder: Path) -> None:
    (folder / "thesis.tex").write_text("years of work")


def strangers_manifest(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text('{"of": "another program"}')


@pytest.mark.parametrize("change", [strangers_file, strangers_manifest])
def test_a_folder_with_something_else_in_it_is_never_replaced(
    change: Callable[[Path], None], shipped: Bundle, tmp_path: Path
) -> None:
    save(shipped, tmp_path / "espcn")
    change(tmp_path / "espcn")
    before = tree(tmp_path)
    with pytest.raises(OutputError, match="something else"):
        save(shipped, tmp_path / "espcn", overwrite=True)
    assert tree(tmp_path) == before


def test_an_empty_folder_is_taken(shipped: Bundle, tmp_path: Path) -> None:
    (tmp_path / "espcn").mkdir()
    save(shipped, tmp_path / "espcn", overwrite=True)
    assert load(tmp_path / "espcn").files == shipped.files


@pytest.mark.parametrize("name", FORMS)
def test_a_link_is_written_through(name: str, shipped: Bundle, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    save(shipped, tmp_path / "real" / name)
    (tmp_path / name).symlink_to(tmp_path / "real" / name)
    save(shipped.plus_file("notes.txt", b"x"), tmp_path / name, overwrite=True)
    assert (tmp_path / name).is_symlink()
    assert load(tmp_path / "real" / name).files["notes.txt"] == b"x"


def test_places_that_can_not_be_written_are_refused(shipped: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "b.spx", tmp_path / ("n" * 300 + ".spx"), Path("/proc/b.spx")):
        with pytest.raises(OutputError):
            save(shipped, path)


def test_nothing_is_written_that_could_not_be_read_again(shipped: Bundle, tmp_path: Path) -> None:
    wrong = replace(shipped.manifest, model=replace(shipped.spec, name="../../evil"))
    for manifest in (wrong, replace(shipped.manifest, variants=())):
        with pytest.raises(BundleError):
            save(Bundle(manifest, shipped.files), tmp_path / "b.spx")
    assert tree(tmp_path) == {}


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_files_are_readable_and_not_executable(shipped: Bundle, tmp_path: Path) -> None:
    save(shipped, tmp_path / "espcn")
    for file in (tmp_path / "espcn").rglob("*.*"):
        assert not stat.S_IMODE(file.stat().st_mode) & stat.S_IXUSR


def test_shipped_bundles_are_found_by_name_and_by_path(shipped: Bundle, tmp_path: Path) -> None:
    assert {"espcn-x3"} <= set(shipped_names())
    save(shipped, tmp_path / "mine.spx")
    assert find(tmp_path / "mine.spx").files == find(str(tmp_path / "mine.spx")).files == find("espcn-x3").files


@pytest.mark.parametrize("name", ["", "espcn-x33", "nowhere/espcn-x3", "bicubic-x0", "bicubic-x17", "n" * 300, "a\0b"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(NotFoundError, match=r"shipped: .*espcn-x3"):
        find(name)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 16])
def test_bicubic_is_a_bundle_like_others(scale: int, tmp_path: Path) -> None:
    bundle = bicubic_bundle(scale)
    assert find(f"bicubic-x{scale}") == bundle
    save(bundle, tmp_path / "b.spx")
    assert load(tmp_path / "b.spx").spec.scale == scale


def test_manifests_of_no_bundle_yet_are_only_values(shipped: Bundle) -> None:
    """The exporter begins with an empty bundle and adds to it; only what is written must be whole."""
    empty = Bundle(Manifest(shipped.spec, shipped.manifest.provenance, ()), {})
    grown = empty.plus(shipped.reference, {shipped.reference.file.path: shipped.blobs(shipped.reference)[0]})
    assert grown.reference == shipped.reference
    with pytest.raises(SubpixelError, match="onnx-fp32"):
        _ = empty.reference
