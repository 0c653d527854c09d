"""Pictures that can't be served: a clear error, nothing lost, nothing left behind."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import subpixel
from subpixel.errors import BadInputError, NotFoundError, OutputError, SubpixelError
from subpixel.media import png16
from subpixel.media.images import check_paths, upscale_image
from subpixel.media.images_kinds import ImageOptions, is_image

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 30, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> Iterator[subpixel.Model]:
    with subpixel.open("bicubic-x2") as opened:
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    Image.fromarray(PIXELS).save(path)
    return path


def refuse(model: subpixel.Model, source: Path, target: Path, words: str, options: ImageOptions | None = None) -> None:
    """It raises, says these words, and leaves the folder as it was."""
    before = {path: path.read_bytes() for path in source.parent.iterdir() if path.is_file()}
    with pytest.raises(BadInputError, match=words):
        upscale_image(model, source, target, options)
    assert {path: path.read_bytes() for path in source.parent.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.webp", "in.gif", "in.bmp", "in.tiff"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_is_refused(name: str, share: float, model: subpixel.Model, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    refuse(model, tmp_path / name, tmp_path / "out.png", name)


@pytest.mark.parametrize("keep", [30, 60, -14, -5])
def test_a_cut_sixteen_bit_png_is_refused(keep: int, model: subpixel.Model, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(png16.encode(PIXELS.astype(np.uint16) * 200)[:keep])
    refuse(model, source, tmp_path / "out.png", "in.png|cut off")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", range(25))
def test_random_damage_never_shows_a_foreign_error(bits: int, seed: int, model: subpixel.Model, tmp_path: Path) -> None:
    chance = random.Random(seed)
    source = tmp_path / "in.png"
    if bits == 8:
        Image.fromarray(PIXELS).save(source, format=chance.choice(["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"]))
    else:
        source.write_bytes(png16.encode(PIXELS.astype(np.uint16) * 200))
    data = bytearray(source.read_bytes())
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    source.write_bytes(data)
    with contextlib.suppress(SubpixelError):
        upscale_image(model, source, tmp_path / "out.png")
    assert {path.name for path in tmp_path.iterdir()} <= {"in.png", "out.png"}


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animations_are_refused_with_a_way_out(suffix: str, model: subpixel.Model, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(PIXELS, shift, 1)) for shift in range(3)]
    source = tmp_path / f"in{suffix}"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    refuse(model, source, tmp_path / "out.png", r"animation of 3 frames.*in\.mp4")


def test_several_pages_are_refused(model: subpixel.Model, tmp_path: Path) -> None:
    page = Image.fromarray(PIXELS)
    page.save(tmp_path / "in.tiff", save_all=True, append_images=[page])
    refuse(model, tmp_path / "in.tiff", tmp_path / "out.png", "2 pages")


@pytest.mark.parametrize("target", ["out.jpg", "out.bmp"])
def test_transparency_is_not_thrown_away(target: str, model: subpixel.Model, tmp_path: Path) -> None:
    clear = np.dstack([PIXELS, np.full((40, 30), 128, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "in.png")
    refuse(model, tmp_path / "in.png", tmp_path / target, "transparent")


def test_a_float_tiff_is_refused(model: subpixel.Model, tmp_path: Path) -> None:
    Image.fromarray(PIXELS[..., 0].astype(np.float32)).save(tmp_path / "in.tiff")
    refuse(model, tmp_path / "in.tiff", tmp_path / "out.png", "mode F")


def test_a_picture_of_absurd_size_is_refused(model: subpixel.Model, tmp_path: Path) -> None:
    header = png16.Chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    source = tmp_path / "in.png"
    source.write_bytes(png16.SIGNATURE + header.pack() + png16.Chunk(b"IEND", b"").pack())
    refuse(model, source, tmp_path / "out.png", "megapixels")


def test_a_result_beyond_the_format_is_refused(source: Path, model: subpixel.Model) -> None:
    refuse(model, source, source.with_name("out.webp"), "16383", ImageOptions(size=(20000, 10)))


def test_a_result_beyond_the_memory_is_refused(source: Path, model: subpixel.Model) -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("this system does not tell its free memory")
    refuse(model, source, source.with_name("out.png"), "GB of memory", ImageOptions(size=(10**6, 10**6)))


@pytest.mark.parametrize("size", [(0, 10), (10, -1)])
def test_an_empty_size_is_refused(size: tuple[int, int], source: Path, model: subpixel.Model) -> None:
    refuse(model, source, source.with_name("out.png"), "at least 1x1", ImageOptions(size=size))


def test_an_existing_file_needs_overwrite(source: Path, model: subpixel.Model) -> None:
    target = source.with_name("out.png")
    target.write_bytes(b"something dear")
    refuse(model, source, target, "--overwrite")
    upscale_image(model, source, target, ImageOptions(overwrite=True))
    assert target.read_bytes().startswith(png16.SIGNATURE)


def test_names_can_be_checked_before_a_model_is_opened(source: Path) -> None:
    check_paths(source, source.with_name("out.png"), overwrite=False)
    for target in (source, source.with_name("out.gif"), source.parent / "missing" / "out.png"):
        with pytest.raises(OutputError):
            check_paths(source, target, overwrite=True)
    with pytest.raises(NotFoundError):
        check_paths(source.with_name("nowhere.png"), source, overwrite=True)


def test_the_input_is_never_its_own_output(source: Path, model: subpixel.Model) -> None:
    (source.parent / "link.png").symlink_to(source)
    refuse(model, source, source, "the input itself", ImageOptions(overwrite=True))
    refuse(model, source, source.parent / "link.png", "the input itself", ImageOptions(overwrite=True))
    refuse(model, source, source.parent / "." / "in.png", "the input itself", ImageOptions(overwrite=True))


@pytest.mark.parametrize("name", ["out", "out.gif", "out.mp4", "out.heic"])
def test_an_unknown_suffix_names_the_known_ones(name: str, source: Path, model: subpixel.Model) -> None:
    refuse(model, source, source.with_name(name), r"\.png.*\.jpg.*\.webp")


def test_places_that_can_not_be_written_are_refused(source: Path, model: subpixel.Model) -> None:
    refuse(model, source, source.parent / "missing" / "out.png", "no folder")
    refuse(model, source, source.parent / ("x" * 300 + ".png"), "can't be written")
    (source.parent / "folder.png").mkdir()
    refuse(model, source, source.parent / "folder.png", "is a folder")
    if Path("/proc/self").exists():
        refuse(model, source, Path("/proc/out.png"), "can't be written")


@contextlib.contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """The system lets this process write no longer files: the same failure as a full disk."""
    resource = pytest.importorskip("resource", reason="this system has no limits for the size of files")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_full_disk_leaves_nothing(source: Path, model: subpixel.Model) -> None:
    with largest_file(500), pytest.raises(OutputError, match="out.png can't be written"):
        upscale_image(model, source, source.with_name("out.png"))
    assert [path.name for path in source.parent.iterdir()] == ["in.png"]


def test_an_interrupt_leaves_nothing(source: Path, model: subpixel.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("subpixel.media.images.encode_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        upscale_image(model, source, source.with_name("out.png"))
    assert [path.name for path in source.parent.iterdir()] == ["in.png"]


def test_missing_files_and_folders_are_named(tmp_path: Path, model: subpixel.Model) -> None:
    with pytest.raises(NotFoundError, match="nowhere.png"):
        upscale_image(model, tmp_path / "nowhere.png", tmp_path / "out.png")
    with pytest.raises(NotFoundError, match="nowhere.png"):
        is_image(tmp_path / "nowhere.png")
    with pytest.raises(BadInputError, match="is a folder"):
        is_image(tmp_path)


def test_text_is_no_picture(tmp_path: Path, model: subpixel.Model) -> None:
    (tmp_path / "in.png").write_text("not a picture at all")
    refuse(model, tmp_path / "in.png", tmp_path / "out.png", "no picture of a kind")


def test_one_pixel_is_a_picture(tmp_path: Path, model: subpixel.Model) -> None:
    Image.fromarray(PIXELS[:1, :1]).save(tmp_path / "in.png")
    upscale_image(model, tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        assert np.array_equal(np.asarray(result), np.broadcast_to(PIXELS[0, 0], (2, 2, 3)))
