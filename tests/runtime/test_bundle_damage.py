"""Damage of every kind, in both forms of a bundle, is refused as a BundleError and as nothing else."""

from __future__ import annotations

import contextlib
import random
import re
import zipfile
from pathlib import Path

import pytest

from subpixel.bundle import Bundle, load, save
from subpixel.errors import BundleError
from subpixel.manifest import MANIFEST_NAME

KINDS = ("one bit", "some bytes", "cut", "longer", "noise", "empty", "gone")
SEEDS = range(12)


def damaged(data: bytes, kind: str, chance: random.Random) -> bytes | None:
    """``data`` with this damage, never equal to it; ``None``: no file at all."""
    at, noise = chance.randrange(len(data)), chance.randbytes(max(1, len(data)))
    if kind == "one bit":
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    if kind == "some bytes":
        span = noise[: chance.randint(1, 64)]
        fresh = (data[:at] + span + data[at + len(span) :])[: len(data)]
        return fresh if fresh != data else data[:-1] + bytes([data[-1] ^ 255])
    if kind == "cut":
        return data[:at]
    if kind == "longer":
        return data + noise[: chance.randint(1, 100)]
    return {"noise": noise, "empty": b"", "gone": None}[kind]


def put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


@pytest.fixture(scope="module")
def small(shipped: Bundle) -> Bundle:
    """Of real files, and few enough for hundreds of cases."""
    for variant in shipped.manifest.variants:
        if variant.target != "onnx":
            shipped = shipped.without(variant.id)
    return shipped


@pytest.fixture
def folder(small: Bundle, tmp_path: Path) -> Path:
    return save(small, tmp_path / "espcn").path or tmp_path


@pytest.fixture
def archive(small: Bundle, tmp_path: Path) -> Path:
    return save(small, tmp_path / "espcn.spx").path or tmp_path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_manifest_in_a_folder_is_refused(kind: str, seed: int, folder: Path) -> None:
    file = folder / MANIFEST_NAME
    put(file, damaged(file.read_bytes(), kind, random.Random(seed)))
    with pytest.raises(BundleError):
        load(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_file_in_a_folder_is_refused(kind: str, seed: int, small: Bundle, folder: Path) -> None:
    chance = random.Random(1000 + seed)
    file = folder / chance.choice(sorted(small.files))
    put(file, damaged(file.read_bytes(), kind, chance))
    with pytest.raises(BundleError, match=file.name):
        load(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_entry_in_an_archive_is_refused(kind: str, seed: int, small: Bundle, archive: Path) -> None:
    """The zip itself is whole: only the hashes can tell."""
    chance = random.Random(2000 + seed)
    contents = {MANIFEST_NAME: zipfile.ZipFile(archive).read(MANIFEST_NAME), **small.files}
    name = chance.choice(sorted(contents))
    fresh = damaged(contents[name], kind, chance)
    contents = {key: value for key, value in contents.items() if key != name}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
        for key, value in {**contents, **({} if fresh is None else {name: fresh})}.items():
            written.writestr(key, value)
    with pytest.raises(BundleError):
        load(archive)


@pytest.mark.parametrize("seed", range(24))
def test_a_cut_archive_is_refused(seed: int, archive: Path) -> None:
    put(archive, damaged(archive.read_bytes(), "cut", random.Random(3000 + seed)))
    with pytest.raises(BundleError):
        load(archive)


@pytest.mark.parametrize("seed", range(24))
def test_damaged_contents_of_an_archive_are_refused(seed: int, small: Bundle, archive: Path) -> None:
    data, chance = bytearray(archive.read_bytes()), random.Random(4000 + seed)
    name = chance.choice(sorted(small.files))
    start = data.find(small.files[name][:64]) + chance.randrange(len(small.files[name]))
    data[start] ^= 1 << chance.randrange(8)
    archive.write_bytes(data)
    with pytest.raises(BundleError):
        load(archive)


@pytest.mark.parametrize("seed", range(100))
def test_damaged_headers_of_an_archive_are_refused_or_harmless(seed: int, small: Bundle, archive: Path) -> None:
    """Some bits of a zip's headers mean nothing here (dates); then the contents must be the very same."""
    data, chance = bytearray(archive.read_bytes()), random.Random(5000 + seed)
    directory = data.find(b"PK\x01\x02")
    local = [found.start() for found in re.finditer(rb"PK\x03\x04", data[:directory])]
    at = chance.choice([chance.randrange(directory, len(data)), chance.choice(local) + chance.randrange(30)])
    data[at] ^= 1 << chance.randrange(8)
    archive.write_bytes(data)
    with contextlib.suppress(BundleError):
        assert load(archive).files == small.files


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [0, 1, 21, 22, 300, 5000])
def test_noise_is_no_bundle(seed: int, size: int, tmp_path: Path) -> None:
    path = tmp_path / "noise.spx"
    path.write_bytes(random.Random(seed).randbytes(size))
    with pytest.raises(BundleError, match=r"noise\.spx"):
        load(path)
