"""Bundles that lie: well signed, every hash right, and still not to be opened."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from subpixel import bundle as bundles
from subpixel.bundle import Bundle, load, save
from subpixel.errors import BundleError, NotFoundError
from subpixel.manifest import MANIFEST_NAME, dump

Sign = Callable[[dict[str, Any]], bytes]
MODEL = "model.fp32.onnx"


@pytest.fixture
def folder(shipped: Bundle, tmp_path: Path) -> Path:
    return save(shipped, tmp_path / "inside" / "espcn").path or tmp_path


def content(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / MANIFEST_NAME).read_text()))


def line(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}


def pack(path: Path, entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the duplicate names that are wanted here
        for name, data in entries:
            archive.writestr(name, data)
    return path


OUTSIDE = [
    "../secret", "../../secret", "a/../../secret", "a/../b", "/etc/hostname", "//etc/hostname", "./card", "a//b", "a/",
    "", ".", "..", "C:/secret", "C:secret", "..\\secret", "a\\b", "a\0b", ".hidden", "a/.hidden", "bundle.json", "é",
    "a b", "x" * 201, "a\n",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_a_path_that_is_not_plainly_inside_is_refused(path: str, form: str, folder: Path, sign: Sign) -> None:
    (folder.parent / "secret").write_bytes(b"secret")
    data = content(folder)
    data["files"] = [*data["files"], line(path, b"secret")]
    (folder / MANIFEST_NAME).write_bytes(sign(data))
    entries = [(p.relative_to(folder).as_posix(), p.read_bytes()) for p in folder.rglob("*") if p.is_file()]
    target = folder if form == "folder" else pack(folder.parent / "b.spx", entries)
    with pytest.raises(BundleError, match="plain path"):
        load(target)


@pytest.mark.parametrize("name", [MODEL, MANIFEST_NAME, "evidence"])
def test_a_link_that_leaves_the_bundle_is_refused(name: str, folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    with pytest.raises(BundleError, match="leaves the bundle|not listed"):
        load(folder)


def test_a_bundle_reached_by_a_link_is_fine(folder: Path, shipped: Bundle) -> None:
    (folder.parent / "link").symlink_to(folder)
    assert load(folder.parent / "link").files == shipped.files


@pytest.mark.parametrize("name", ["extra.bin", "openvino/extra.bin", "deep/er/extra.py", ".hidden"])
def test_an_unlisted_file_is_refused(name: str, folder: Path, shipped: Bundle) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    with pytest.raises(BundleError, match="not listed"):
        load(folder)
    entries = [(MANIFEST_NAME, (folder / MANIFEST_NAME).read_bytes()), *shipped.files.items(), (name, b"x")]
    with pytest.raises(BundleError, match="not listed"):
        load(pack(folder.parent / "b.spx", entries))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_entries_are_refused(compression: int, folder: Path, shipped: Bundle) -> None:
    entries = [(MANIFEST_NAME, (folder / MANIFEST_NAME).read_bytes()), *shipped.files.items()]
    with pytest.raises(BundleError, match="compressed"):
        load(pack(folder.parent / "b.spx", entries, compression))


@pytest.mark.parametrize("name", [MODEL, MANIFEST_NAME])
def test_duplicate_entries_are_refused(name: str, folder: Path, shipped: Bundle) -> None:
    contents = {MANIFEST_NAME: (folder / MANIFEST_NAME).read_bytes(), **shipped.files}
    with pytest.raises(BundleError, match="two entries"):
        load(pack(folder.parent / "b.spx", [*contents.items(), (name, contents[name])]))


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1", "1", "1.x", "", None, 1, 1.0, ["1.0"]])
def test_an_unknown_schema_version_is_refused_before_all_else(version: object, folder: Path, sign: Sign) -> None:
    data = {**content(folder), "schema_version": version, "something_new": 1}
    (folder / MANIFEST_NAME).write_bytes(sign(data))
    with pytest.raises(BundleError, match="schema version.*update subpixel"):
        load(folder)


def test_a_later_minor_version_is_read_unless_it_has_new_keys(folder: Path, sign: Sign) -> None:
    (folder / MANIFEST_NAME).write_bytes(sign({**content(folder), "schema_version": "1.7"}))
    assert load(folder).manifest.schema_version == "1.7"
    (folder / MANIFEST_NAME).write_bytes(sign({**content(folder), "something_new": 1}))
    with pytest.raises(BundleError, match=r"something_new.*1\.7.*update"):
        load(folder)


def test_a_missing_variant_names_those_there_are(shipped: Bundle) -> None:
    with pytest.raises(BundleError, match=r"no variant 'onnx-int4'.*onnx-fp32"):
        shipped.manifest.variant("onnx-int4")


def test_a_bundle_without_its_reference_is_refused(folder: Path, sign: Sign) -> None:
    data = content(folder)
    data["variants"] = [v for v in data["variants"] if v["id"] != "onnx-fp32"]
    (folder / MANIFEST_NAME).write_bytes(sign(data))
    (folder / MODEL).unlink()
    with pytest.raises(BundleError, match="onnx-fp32"):
        load(folder)


def field(number: int, wire: int, value: bytes) -> bytes:
    """One field of a protobuf message."""
    return varint(number << 3 | wire) + (varint(len(value)) if wire == 2 else b"") + value


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


TENSOR = field(8, 2, b"weights")
EXTERNAL = {
    "location": field(14, 0, b"\x01"),
    "data": field(13, 2, field(1, 2, b"location") + field(2, 2, b"/etc/x")),
}


def nested(tensor: bytes, where: str) -> bytes:
    """An ONNX model of one tensor, at one of the places where ONNX may hold one."""
    if where == "initialiser":
        return field(7, 2, field(5, 2, tensor))
    if where == "sparse":
        return field(7, 2, field(15, 2, field(1, 2, tensor)))
    attribute = field(5, 2, field(5, 2, tensor))  # a node's attribute, its tensor
    if where == "constant":
        return field(7, 2, field(1, 2, attribute))
    if where == "subgraph":
        inner = field(1, 2, attribute)
        return field(7, 2, field(1, 2, field(5, 2, field(6, 2, inner))))
    return field(25, 2, field(7, 2, attribute))  # a function's node


@pytest.mark.parametrize("where", ["initialiser", "sparse", "constant", "subgraph", "function"])
@pytest.mark.parametrize("mark", EXTERNAL)
@pytest.mark.parametrize("path", [MODEL, "model.bin"])
def test_external_data_are_refused_wherever_onnx_can_name_them(
    where: str, mark: str, path: str, shipped: Bundle, tmp_path: Path, sign: Sign
) -> None:
    data, inner = nested(TENSOR + EXTERNAL[mark], where), nested(TENSOR, where)
    assert load(foreign(tmp_path / "a", shipped, path, inner, sign)).files[path] == inner
    with pytest.raises(BundleError, match="outside itself"):
        load(foreign(tmp_path / "b", shipped, path, data, sign))


def foreign(folder: Path, shipped: Bundle, path: str, model: bytes, sign: Sign) -> Path:
    """A bundle of one reference variant whose ONNX file is ``model``."""
    data = json.loads(dump(shipped.manifest))
    data["variants"] = [{**data["variants"][0], "files": [line(path, model)]}]
    data["files"] = []
    folder.mkdir()
    (folder / MANIFEST_NAME).write_bytes(sign(data))
    (folder / path).write_bytes(model)
    return folder


@pytest.mark.parametrize("model", [b"no protobuf at all", b"\x3a\xff\xff", b"\x0b", struct.pack("<Q", 2**63)])
def test_a_reference_that_is_no_onnx_is_refused(model: bytes, shipped: Bundle, tmp_path: Path, sign: Sign) -> None:
    with pytest.raises(BundleError):
        load(foreign(tmp_path / "a", shipped, MODEL, model, sign))


def test_endless_nesting_is_refused(shipped: Bundle, tmp_path: Path, sign: Sign) -> None:
    """A graph in an attribute of a node of a graph ..., deeper than any stack."""
    graph = b""
    for _ in range(5000):
        graph = field(1, 2, field(5, 2, field(6, 2, graph)))
    with pytest.raises(BundleError):
        load(foreign(tmp_path / "a", shipped, MODEL, field(7, 2, graph), sign))


def test_a_manifest_nested_without_end_is_refused(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text("[" * 200_000)
    with pytest.raises(BundleError, match="isn't JSON"):
        load(folder)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}', "[]", "7", "null", "\ufeff{}"])
def test_text_that_is_not_one_plain_json_object_is_refused(text: str, folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load(folder)


def test_a_manifest_of_absurd_length_is_refused_unread(folder: Path) -> None:
    with (folder / MANIFEST_NAME).open("r+b") as file:
        file.truncate(bundles.MANIFEST_LIMIT_BYTES + 1)
    with pytest.raises(BundleError, match="larger than"):
        load(folder)


def test_a_file_longer_than_the_manifest_says_is_refused_unread(folder: Path) -> None:
    with (folder / MODEL).open("r+b") as file:
        file.truncate(1 << 40)  # a hole: no machine could read it whole
    with pytest.raises(BundleError, match="bytes long"):
        load(folder)


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_pipe_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder.parent / "pipe.spx")
    with pytest.raises(BundleError, match="plain file"):
        load(folder.parent / "pipe.spx")
    (folder / MODEL).unlink()
    os.mkfifo(folder / MODEL)
    with pytest.raises(BundleError, match="missing"):
        load(folder)


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        load(tmp_path)
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        load(pack(tmp_path / "b.spx", [("a", b"x")]))
