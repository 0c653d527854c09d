"""A bundle: a model, its variants, the evidence. A folder, or one stored zip (``.spx``). DESIGN.md section 2.

A bundle is a value: read whole, every hash checked, then unchangeable. Nothing in it is executed or unpickled, and
files are given to engines as bytes, so nothing is unpacked either.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from subpixel import manifest as manifests
from subpixel.errors import BundleError, NotFoundError, OutputError, faults_as
from subpixel.manifest import MANIFEST_NAME, REFERENCE_ID, Manifest, sha256
from subpixel.onnx_scan import names_external_data
from subpixel.spec import FileRecord, ModelSpec, Variant

MANIFEST_LIMIT_BYTES = 4 << 20
SUFFIX = ".spx"


@dataclass(frozen=True)
class Bundle:
    """``files`` maps each path of the manifest to its bytes; ``path``: where it was read from, if anywhere."""

    manifest: Manifest
    files: Mapping[str, bytes]
    path: Path | None = None

    @property
    def spec(self) -> ModelSpec:
        """What holds for all variants."""
        return self.manifest.model

    @property
    def reference(self) -> Variant:
        """The fp32 ONNX variant that all others are measured against."""
        return self.manifest.variant(REFERENCE_ID)

    def blobs(self, variant: Variant) -> tuple[bytes, ...]:
        """The bytes of a variant's files, in the manifest's order."""
        return tuple(self.files[record.path] for record in variant.files)

    def plus(self, variant: Variant, blobs: Mapping[str, bytes]) -> Bundle:
        """A bundle with this variant added (or replaced: same id); ``blobs`` has the bytes of its files."""
        others = tuple(v for v in self.manifest.variants if v.id != variant.id)
        return self._with(replace(self.manifest, variants=(*others, variant)), blobs)

    def without(self, id: str) -> Bundle:
        """A bundle without the variant ``id``; its files go with it."""
        kept = tuple(v for v in self.manifest.variants if v.id != id)
        return self._with(replace(self.manifest, variants=kept), {})

    def plus_file(self, path: str, data: bytes) -> Bundle:
        """A bundle with a file beside the variants (evidence, card) added or replaced."""
        others = tuple(f for f in self.manifest.files if f.path != path)
        return self._with(replace(self.manifest, files=(*others, file_record(path, data))), {path: data})

    def _with(self, manifest: Manifest, extra: Mapping[str, bytes]) -> Bundle:
        manifests.check_paths(manifest, manifest.model.name)
        listed = {record.path for record in manifest.all_files()}
        files = {path: data for path, data in {**self.files, **extra}.items() if path in listed}
        checked = Bundle(manifest, files, self.path)
        for record in manifest.all_files():
            _check_file(record, files.get(record.path), manifest.model.name)
        return checked


def file_record(path: str, data: bytes) -> FileRecord:
    """The manifest's line for a file."""
    return FileRecord(path, sha256(data), len(data))


def load(path: Path) -> Bundle:
    """Read a bundle folder or ``.spx`` file. Raises ``NotFoundError`` or ``BundleError``."""
    with faults_as(BundleError, f"{path} can't be read as a bundle"):
        if not path.exists():
            raise NotFoundError(f"{path}: no such bundle; needed a folder with {MANIFEST_NAME} or a {SUFFIX} file")
        bundle = _load_folder(path) if path.is_dir() else _load_zip(path)
        _refuse_external_data(bundle, path)
    return bundle


def _refuse_external_data(bundle: Bundle, path: Path) -> None:
    """An ONNX file could name any file of this machine as its weights."""
    opened_as_onnx = {v.file.path for v in bundle.manifest.variants if v.target == "onnx"}
    for name, data in bundle.files.items():
        if (name in opened_as_onnx or name.lower().endswith(".onnx")) and names_external_data(data):
            raise BundleError(f"{path}: {name} refers to data outside itself; export with external_data=False")


def _load_folder(folder: Path) -> Bundle:
    manifest_file = folder / MANIFEST_NAME
    if not manifest_file.is_file():
        raise BundleError(f"{folder}: no {MANIFEST_NAME} in it; needed a bundle made by `subpixel export`")
    _refuse_link(folder, MANIFEST_NAME)
    _refuse_long_manifest(manifest_file.stat().st_size, str(folder))
    manifest = manifests.parse(manifest_file.read_bytes(), str(folder))
    listed = {record.path for record in manifest.listed()}
    _refuse_unlisted(_present(folder), listed, str(folder))
    files = {}
    for record in manifest.all_files():
        file = folder / record.path
        _refuse_link(folder, record.path)
        size = file.stat().st_size if file.is_file() else None
        files[record.path] = _check_file(record, file.read_bytes() if size == record.size_bytes else None, str(folder))
    return Bundle(manifest, files, folder)


def _present(folder: Path) -> set[str]:
    """Every file and link below ``folder``; a link to a folder is not followed."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}


def _refuse_link(folder: Path, name: str) -> None:
    if Path(os.path.realpath(folder)) not in Path(os.path.realpath(folder / name)).parents:
        raise BundleError(f"{folder}: {name} leaves the bundle (a link); needed a plain file inside it")


def _refuse_long_manifest(size_bytes: int, where: str) -> None:
    if size_bytes > MANIFEST_LIMIT_BYTES:
        raise BundleError(f"{where}: {MANIFEST_NAME} is larger than {MANIFEST_LIMIT_BYTES} bytes")


def _load_zip(path: Path) -> Bundle:
    if not path.is_file():
        raise BundleError(f"{path} is neither a folder nor a plain file; needed a bundle")
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist()]
        _check_entries(archive.infolist(), str(path))
        if MANIFEST_NAME not in names:
            raise BundleError(f"{path}: no {MANIFEST_NAME} in it; needed a bundle made by `subpixel export`")
        _refuse_long_manifest(archive.getinfo(MANIFEST_NAME).file_size, str(path))
        manifest = manifests.parse(archive.read(MANIFEST_NAME), str(path))
        _refuse_unlisted(set(names), {record.path for record in manifest.listed()}, str(path))
        files = {}
        for record in manifest.all_files():
            right_size = record.path in names and archive.getinfo(record.path).file_size == record.size_bytes
            files[record.path] = _check_file(record, archive.read(record.path) if right_size else None, str(path))
    return Bundle(manifest, files, path)


def _check_entries(entries: list[zipfile.ZipInfo], where: str) -> None:
    names = [entry.filename for entry in entries]
    if len(names) != len(set(names)):
        raise BundleError(f"{where}: two entries of one name; a bundle's entries are distinct")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise BundleError(f"{where}: {entry.filename} is compressed; a bundle stores its files uncompressed")


def _refuse_unlisted(present: set[str], listed: set[str], where: str) -> None:
    extra = sorted(present - listed - {MANIFEST_NAME})
    if extra:
        raise BundleError(f"{where}: {extra[0]!r} is not listed in the manifest; remove it, or fetch the bundle again")


def _check_file(record: FileRecord, data: bytes | None, where: str) -> bytes:
    if data is None or len(data) != record.size_bytes:
        raise BundleError(f"{where}: {record.path} is missing or not {record.size_bytes} bytes long; fetch it again")
    if sha256(data) != record.sha256:
        raise BundleError(f"{where}: {record.path} does not match its hash; it was changed or damaged, fetch it again")
    return data


def save(bundle: Bundle, path: Path, overwrite: bool = False) -> Bundle:
    """Write a folder, or a ``.spx`` file when ``path`` ends so; whole or not at all.

    Raises ``OutputError``, or ``BundleError`` for a bundle that `load` would refuse.
    """
    manifests.check(bundle.manifest, bundle.spec.name)
    with faults_as(OutputError, f"{path} can't be written"):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists; choose another name or pass --overwrite")
        if path.is_dir():
            _refuse_strangers(path)
        _write_whole(bundle, Path(os.path.realpath(path)))
    return replace(bundle, path=path)


def _refuse_strangers(folder: Path) -> None:
    """Replacing a bundle must not take along files that never belonged to it."""
    present = _present(folder)
    if not present:
        return
    try:
        manifest = manifests.parse((folder / MANIFEST_NAME).read_bytes(), str(folder))
        _refuse_unlisted(present, {record.path for record in manifest.listed()}, str(folder))
    except (OSError, BundleError) as fault:
        reason = f"{folder} holds something else than a bundle and is not replaced; choose another name ({fault})"
        raise OutputError(reason) from fault


def _write_whole(bundle: Bundle, path: Path) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        (_write_zip if path.suffix == SUFFIX else _write_folder)(bundle, fresh)
        _swap(fresh, path)
    finally:
        _remove(fresh)


def _contents(bundle: Bundle) -> dict[str, bytes]:
    return {MANIFEST_NAME: manifests.dump(bundle.manifest), **dict(sorted(bundle.files.items()))}


def _write_folder(bundle: Bundle, folder: Path) -> None:
    for name, data in _contents(bundle).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _write_zip(bundle: Bundle, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in _contents(bundle).items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def _swap(fresh: Path, path: Path) -> None:
    """Put ``fresh`` in the place of ``path``; a folder in the way is moved aside first and removed last."""
    if not path.is_dir():
        fresh.replace(path)
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    path.rename(aside)
    try:
        fresh.rename(path)
    except OSError:
        aside.rename(path)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
