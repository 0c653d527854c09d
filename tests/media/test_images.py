"""Pictures in and out: pixels, channels, bits and what a file says of itself."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

import subpixel
from subpixel.bundle import Bundle
from subpixel.media import png16
from subpixel.media.images import image_size, upscale_image
from subpixel.media.images_enlarge import enlarge_colour
from subpixel.media.images_kinds import ImageOptions, is_image
from subpixel.quality.resize import resize

SUFFIXES = (".png", ".jpg", ".webp", ".tiff", ".bmp")


@pytest.fixture(scope="module")
def model() -> Iterator[subpixel.Model]:
    with subpixel.open("bicubic-x2") as opened:
        yield opened


def scene(height: int = 24, width: int = 36, channels: int = 3) -> NDArray[np.uint8]:
    """Smooth colours with an edge: every channel differs, nothing clips when it is interpolated."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [110 + 60 * np.sin((x + 3 * c) / 5) * np.cos(y / (4 + c)) + 30 * (x > width / 2) for c in range(channels)]
    levels: NDArray[np.uint8] = np.rint(np.stack(planes, axis=2)).astype(np.uint8)
    return levels


def saved(folder: Path, pixels: NDArray[Any], name: str = "in.png", **options: Any) -> Path:
    path = folder / name
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(path, **options)
    return path


def enlarged(pixels: NDArray[Any], peak: float, scale: int = 2) -> NDArray[np.float64]:
    """What bicubic gives, in levels."""
    height, width = pixels.shape[:2]
    return np.clip(resize(pixels.astype(np.float64) / peak, height * scale, width * scale), 0, 1) * peak


def pixels_of(path: Path) -> NDArray[np.float64]:
    return np.asarray(Image.open(path)).astype(np.float64)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rgb_is_enlarged_in_every_format(suffix: str, model: subpixel.Model, tmp_path: Path) -> None:
    source, target = saved(tmp_path, scene()), tmp_path / f"out{suffix}"
    report = upscale_image(model, source, target)
    error = np.abs(pixels_of(target) - enlarged(scene(), 255))
    assert error.max() <= (1 if suffix != ".jpg" else 12)
    assert (report.source_size, report.target_size) == ((36, 24), (72, 48))
    assert (report.source_mode, report.target_mode) == ("RGB, 8 bit", "RGB, 8 bit")
    assert report.receipt.provider == "numpy"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_grey_stays_grey_where_the_format_has_grey(suffix: str, model: subpixel.Model, tmp_path: Path) -> None:
    source, target = saved(tmp_path, scene(channels=1)), tmp_path / f"out{suffix}"
    report = upscale_image(model, source, target)
    result = pixels_of(target)
    assert report.target_mode == "grey, 8 bit"
    assert result.ndim == (3 if suffix == ".webp" else 2)
    grey = result if result.ndim == 2 else result[..., 0]
    assert np.abs(grey - enlarged(scene(channels=1), 255)[..., 0]).max() <= (1 if suffix != ".jpg" else 6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(channels: int, model: subpixel.Model, tmp_path: Path) -> None:
    fine = np.random.default_rng(channels).integers(20000, 45000, (9, 13, channels)).astype(np.uint16)
    source = tmp_path / "in.png"
    source.write_bytes(png16.encode(fine))
    report = upscale_image(model, source, tmp_path / "out.png")
    result = png16.decode((tmp_path / "out.png").read_bytes())
    assert report.target_mode.endswith("16 bit")
    assert np.abs(result - enlarged(fine, 65535)).max() <= 2
    assert len(np.unique(result // 256)) < len(np.unique(result))


def test_sixteen_bit_grey_is_what_pillow_reads_too(model: subpixel.Model, tmp_path: Path) -> None:
    fine = np.linspace(1000, 60000, 40 * 30).reshape(30, 40).astype(np.uint16)
    upscale_image(model, saved(tmp_path, fine), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode.startswith("I")
        assert np.abs(np.asarray(result).astype(np.int64) - enlarged(fine, 65535)).max() <= 2


def test_sixteen_bits_become_eight_in_a_jpeg_and_it_is_said(model: subpixel.Model, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(png16.encode(scene().astype(np.uint16) * 257))
    report = upscale_image(model, source, tmp_path / "out.webp")
    assert np.abs(pixels_of(tmp_path / "out.webp") - enlarged(scene(), 255)).max() <= 1
    assert any("16 bits" in note for note in report.notes)


def test_colour_of_a_luma_model_comes_from_the_model_and_bicubic(tiny_bundle: Bundle, tmp_path: Path) -> None:
    source = saved(tmp_path, scene())
    with subpixel.open(tiny_bundle) as model:
        upscale_image(model, source, tmp_path / "out.png")
        assert np.abs(pixels_of(tmp_path / "out.png") - model.upscale(scene())).max() <= 1


def test_sixteen_bit_pictures_run_through_the_float_variant(tiny_bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(png16.encode(scene().astype(np.uint16) * 257))
    with subpixel.open(tiny_bundle) as model:
        report = upscale_image(model, source, tmp_path / "out.png")
    assert tiny_bundle.manifest.variant(report.receipt.variant).kind == "float"


def test_hidden_colours_do_not_bleed_into_the_edge(model: subpixel.Model, tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[...] = (0, 255, 0, 0)  # green that nobody sees
    pixels[5:15, 5:15] = (200, 30, 30, 255)
    upscale_image(model, saved(tmp_path, pixels), tmp_path / "out.png")
    result = pixels_of(tmp_path / "out.png")
    visible = result[..., 3] > 0
    assert visible.sum() > 400
    assert np.abs(result[visible][:, :3] - (200, 30, 30)).max() <= 2


def test_alpha_is_enlarged_bicubically(model: subpixel.Model, tmp_path: Path) -> None:
    pixels = scene(channels=4)
    upscale_image(model, saved(tmp_path, pixels), tmp_path / "out.webp")
    assert np.abs(pixels_of(tmp_path / "out.webp")[..., 3] - enlarged(pixels, 255)[..., 3]).max() <= 1


def test_an_alpha_channel_that_hides_nothing_may_go_into_a_jpeg(model: subpixel.Model, tmp_path: Path) -> None:
    pixels = scene(channels=4)
    pixels[..., 3] = 255
    report = upscale_image(model, saved(tmp_path, pixels), tmp_path / "out.jpg")
    assert any("alpha" in note for note in report.notes)
    assert pixels_of(tmp_path / "out.jpg").shape == (48, 72, 3)


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_becomes_colours(transparent: bool, model: subpixel.Model, tmp_path: Path) -> None:
    indexed = Image.fromarray(scene()).quantize(16)
    options: dict[str, Any] = {"transparency": 0} if transparent else {}
    indexed.save(tmp_path / "in.png", **options)
    report = upscale_image(model, tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode == ("RGBA" if transparent else "RGB")
    assert any("palette" in note for note in report.notes)


def test_a_still_gif_is_read(model: subpixel.Model, tmp_path: Path) -> None:
    Image.fromarray(scene()).quantize(32).save(tmp_path / "in.gif")
    assert upscale_image(model, tmp_path / "in.gif", tmp_path / "out.png").source_format == "GIF"


def test_a_transparent_colour_key_becomes_alpha(model: subpixel.Model, tmp_path: Path) -> None:
    pixels = np.full((8, 8, 3), 200, np.uint8)
    pixels[:, :4] = (255, 0, 255)
    source = saved(tmp_path, pixels, transparency=(255, 0, 255))
    upscale_image(model, source, tmp_path / "out.png")
    result = pixels_of(tmp_path / "out.png")
    assert result[4, 0, 3] == 0
    assert tuple(result[4, 15]) == (200, 200, 200, 255)


def test_one_bit_pictures_become_grey(model: subpixel.Model, tmp_path: Path) -> None:
    Image.fromarray(scene(channels=1)[..., 0] > 110).save(tmp_path / "in.png")
    report = upscale_image(model, tmp_path / "in.png", tmp_path / "out.png")
    assert any("1 bit" in note for note in report.notes)
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode == "L"


def test_cmyk_becomes_rgb_and_it_is_said(model: subpixel.Model, tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "in.jpg", quality=100, subsampling=0)
    report = upscale_image(model, tmp_path / "in.jpg", tmp_path / "out.png")
    assert any("CMYK" in note for note in report.notes)
    assert np.abs(pixels_of(tmp_path / "out.png") - enlarged(scene(), 255)).mean() <= 4


def cmyk_profile() -> bytes:
    """A printer that lays down magenta where it should lay down cyan: ICC 1:1998, one table from CMYK to Lab."""
    corners = [(100 * (1 - k) * (1 - 0.1 * (c + m + y) / 3), 60 * c, 60 * y)
               for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]  # fmt: skip
    table = bytes(round(v) for lightness, a, b in corners for v in (lightness * 2.55, a + 128, b + 128))
    identity = b"".join(round(65536 * (n % 4 == 0)).to_bytes(4, "big") for n in range(9))
    lut = b"mft1\0\0\0\0\4\3\2\0" + identity + bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    white = b"XYZ \0\0\0\0" + b"".join(n.to_bytes(4, "big") for n in (63190, 65536, 54061))
    tags = struct.pack(">I4sII4sII", 2, b"A2B0", 156, len(lut), b"wtpt", 156 + len(lut) + -len(lut) % 4, 20)
    body = tags + lut + bytes(-len(lut) % 4) + white
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"\0" * 4, 0x02400000, b"prtr", b"CMYK", b"Lab ")
    return (header + bytes(12) + b"acsp").ljust(68, b"\0") + white[8:] + bytes(48) + body


def test_cmyk_with_a_profile_goes_through_it(model: subpixel.Model, tmp_path: Path) -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, 4:, 0] = 255
    Image.fromarray(inks, "CMYK").save(tmp_path / "in.jpg", icc_profile=cmyk_profile(), quality=100, subsampling=0)
    report = upscale_image(model, tmp_path / "in.jpg", tmp_path / "out.png")
    white, red = pixels_of(tmp_path / "out.png")[8, 0], pixels_of(tmp_path / "out.png")[8, -1]
    assert white.min() > 245
    assert red[0] > 250 > 210 > red[1]  # by the plain formula it would be cyan
    with Image.open(tmp_path / "out.png") as result:
        assert b"CMYK" not in result.info["icc_profile"][:128]
    assert any("sRGB by its own profile" in note for note in report.notes)


def test_cmyk_with_a_profile_that_does_not_fit_is_converted_plainly(model: subpixel.Model, tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "in.jpg", icc_profile=profile(), quality=100)
    report = upscale_image(model, tmp_path / "in.jpg", tmp_path / "out.png")
    assert any("none of CMYK" in note for note in report.notes)
    with Image.open(tmp_path / "out.png") as result:
        assert "icc_profile" not in result.info


def test_an_exact_size_is_reached(model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene(channels=4))
    report = upscale_image(model, source, tmp_path / "out.png", ImageOptions(size=(101, 53)))
    assert report.target_size == (101, 53)
    assert pixels_of(tmp_path / "out.png").shape == (53, 101, 4)


def test_comparison_has_bicubic_left_and_the_model_right(tiny_bundle: Bundle, tmp_path: Path) -> None:
    source = saved(tmp_path, scene())
    with subpixel.open(tiny_bundle) as model:
        report = upscale_image(model, source, tmp_path / "out.png", ImageOptions(compare=True))
        right = model.upscale(scene())
    result = pixels_of(tmp_path / "out.png")
    assert report.target_size == (2 * 108, 72)
    assert np.abs(result[:, :108] - enlarged(scene(), 255, 3)).max() <= 1
    assert np.abs(result[:, 108:] - right).max() <= 1


def test_a_picture_in_tiles_equals_the_whole(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 97, 3)).astype(np.uint8)
    with subpixel.open(tiny_bundle) as model:
        whole = enlarge_colour(model, pixels, (291, 210)).astype(np.int64)
        monkeypatch.setattr("subpixel.tiles.WHOLE_LIMIT_PX", 1000)
        monkeypatch.setattr("subpixel.tiles.TILE_PX", 24)
        tiled = enlarge_colour(model, pixels, (291, 210)).astype(np.int64)
    assert np.abs(whole - tiled).max() <= 1


def test_jpeg_is_written_with_full_colour_resolution(model: subpixel.Model, tmp_path: Path) -> None:
    upscale_image(model, saved(tmp_path, scene()), tmp_path / "out.jpeg")
    with JpegImageFile(tmp_path / "out.jpeg") as result:
        assert {part[1:3] for part in result.layer} == {(1, 1)}
        assert max(result.quantization[0]) <= 13


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.webp", "in.gif", "in.bmp", "in.tiff"])
def test_pictures_are_known_by_their_content(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, scene(), name)
    disguised = path.rename(tmp_path / "clip.mp4")
    assert is_image(disguised)
    assert image_size(disguised) == (36, 24)


def test_videos_and_text_are_no_pictures(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "BM.png").write_text("BM is how a bitmap begins, and this text too")
    (tmp_path / "empty.png").write_bytes(b"")
    assert not is_image(samples / "stream_640x360.mp4")
    assert not is_image(tmp_path / "BM.png")
    assert not is_image(tmp_path / "empty.png")


def test_avif_and_heic_are_pictures_that_are_refused(model: subpixel.Model, tmp_path: Path) -> None:
    source = tmp_path / "in.avif"
    source.write_bytes(b"\0\0\0\x20ftypavif" + bytes(64))
    assert is_image(source)
    with pytest.raises(subpixel.BadInputError, match="PNG, JPEG"):
        upscale_image(model, source, tmp_path / "out.png")


@cache
def profile() -> bytes:
    """It holds the second when it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int = 6) -> bytes:
    made = Image.Exif()
    made[0x0112], made[0x010F], made[0x0100], made[0x0101] = orientation, "Maker", 36, 24
    made.get_ifd(0x8769).update({0xA002: 36, 0xA003: 24, 0x9286: b"a comment"})
    return made.tobytes()


@pytest.mark.parametrize("come", ["in.png", "in.jpg", "in.webp"])
@pytest.mark.parametrize("go", ["out.png", "out.jpg", "out.webp"])
def test_profile_exif_and_orientation_are_kept(come: str, go: str, model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene(), come, icc_profile=profile(), exif=exif(), dpi=(300, 300))
    report = upscale_image(model, source, tmp_path / go)
    with Image.open(tmp_path / go) as result:
        tags = result.getexif()
        assert result.size == (72, 48)
        assert result.info["icc_profile"] == profile()
        assert (tags[0x0112], tags[0x010F], tags[0x0100], tags[0x0101]) == (6, "Maker", 72, 48)
        assert tags.get_ifd(0x8769) == {0xA002: 72, 0xA003: 48, 0x9286: b"a comment"}
        if "webp" not in come + go:
            assert [round(float(value)) for value in result.info["dpi"]] == [300, 300]
    assert report.orientation == 6
    assert {"ICC profile", "EXIF"} <= set(report.kept)
    assert report.dropped == (("resolution",) if go == "out.webp" and come != "in.webp" else ())


def test_tiff_keeps_profile_resolution_and_tags(model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene(), "in.tiff", icc_profile=profile(), exif=exif(orientation=1), dpi=(300, 300))
    upscale_image(model, source, tmp_path / "out.tiff")
    with Image.open(tmp_path / "out.tiff") as result:
        assert (result.size, result.info["icc_profile"]) == ((72, 48), profile())
        assert [float(value) for value in result.info["dpi"]] == [300, 300]
        assert result.getexif()[0x010F] == "Maker"
        assert result.getexif().get_ifd(0x8769)[0xA002] == 72


def test_a_turned_tiff_becomes_upright_and_it_is_said(model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene(), "in.tiff", exif=exif(orientation=6))
    report = upscale_image(model, source, tmp_path / "out.png")
    upright = np.rot90(scene(), -1)
    assert np.abs(pixels_of(tmp_path / "out.png") - enlarged(upright, 255)).max() <= 1
    assert any("upright" in note for note in report.notes)
    assert report.orientation == 1


def test_what_a_bitmap_can_not_hold_is_said(model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene(), icc_profile=profile(), exif=exif(), dpi=(300, 300))
    report = upscale_image(model, source, tmp_path / "out.bmp")
    assert set(report.dropped) == {"ICC profile", "EXIF"}
    assert report.kept == ("resolution",)


def test_sixteen_bit_pictures_keep_their_chunks(model: subpixel.Model, tmp_path: Path) -> None:
    chunks = [png16.Chunk(b"gAMA", (45455).to_bytes(4, "big")), png16.Chunk(b"tEXt", b"Author\x00somebody")]
    chunks += [png16.Chunk(b"eXIf", exif().removeprefix(b"Exif\x00\x00"))]
    plain = png16.encode(scene().astype(np.uint16) * 257)
    (tmp_path / "in.png").write_bytes(png16.with_chunks(plain, chunks))
    report = upscale_image(model, tmp_path / "in.png", tmp_path / "out.png")
    kinds = [chunk.kind for chunk in png16.read_chunks((tmp_path / "out.png").read_bytes())]
    assert kinds == [b"IHDR", b"gAMA", b"tEXt", b"eXIf", b"IDAT", b"IEND"]
    with Image.open(tmp_path / "out.png") as result:
        assert result.info["gamma"] == pytest.approx(0.45455)
        assert result.getexif()[0x0100] == 72
    assert set(report.kept) == {"EXIF", "text", "gAMA"}


def test_damaged_exif_is_left_out_and_said(model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene(), "in.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x00")
    report = upscale_image(model, source, tmp_path / "out.jpg")
    assert report.dropped == ("EXIF",)
    assert any("EXIF was left out" in note for note in report.notes)


def test_what_is_too_long_for_a_jpeg_is_left_out_and_said(model: subpixel.Model, tmp_path: Path) -> None:
    made = Image.Exif()
    made[0x010F] = "M" * 70000
    report = upscale_image(model, saved(tmp_path, scene(), exif=made.tobytes()), tmp_path / "out.jpg")
    assert report.dropped == ("EXIF",)


def test_a_picture_file_is_the_same_bytes_each_time(model: subpixel.Model, tmp_path: Path) -> None:
    source = saved(tmp_path, scene())
    for name in ("a.png", "b.png"):
        upscale_image(model, source, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_png_rows_survive_a_foreign_decoder() -> None:
    noise = np.random.default_rng(5).integers(0, 65536, (131, 7, 3)).astype(np.uint16)
    with Image.open(io.BytesIO(png16.encode(noise))) as decoded:
        assert np.abs(np.asarray(decoded).astype(np.int64) - noise // 256).max() <= 1
    assert np.array_equal(png16.decode(png16.encode(noise)), noise)
