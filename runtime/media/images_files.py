"""Picture files in and out: the only file that imports Pillow."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from subpixel.errors import BadInputError, OutputError, faults_as
from subpixel.media import png16
from subpixel.media.images_kinds import FORMATS, Format
from subpixel.media.images_meta import EXIF_PREFIX, ORIENTATION, Metadata

Pixels = NDArray[Any]
READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
JPEG_QUALITY = WEBP_QUALITY = 95
PNG_LEVEL = 4  # 3 % larger than zlib's default, in less than half the time
TIFF_BITS = 258
UNDATED = bytes([7, 228, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # 2020-01-01 in an ICC header: the same bytes every day
# What describes how a TIFF file lays out its pixels, and profiles, which are kept apart.
TIFF_LAYOUT = frozenset({254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 282, 283, 284, 296, 297, 317, 320,
                         322, 323, 324, 325, 330, 338, 339, 347, 513, 514, 529, 530, 531, 532, 700, 33723, 34377,
                         34675})  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """``colour`` ``[H, W, 1 or 3]`` and ``alpha`` ``[H, W]``, both uint8 or both uint16, full range.

    ``lossless``: whether the file it came from was; ``notes``: what was converted or left out on the way.
    """

    colour: Pixels
    alpha: Pixels | None
    metadata: Metadata
    format: str
    lossless: bool = True
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.colour.shape[1], self.colour.shape[0]

    @property
    def bits(self) -> int:
        """8 or 16 a channel."""
        return 8 * int(self.colour.dtype.itemsize)

    @property
    def mode(self) -> str:
        """``RGB+alpha, 16 bit`` and the like."""
        colour = "grey" if self.colour.shape[2] == 1 else "RGB"
        return f"{colour}{'' if self.alpha is None else '+alpha'}, {self.bits} bit"

    def interleaved(self) -> Pixels:
        """``[H, W, C]`` with the alpha channel last."""
        return self.colour if self.alpha is None else np.concatenate([self.colour, self.alpha[..., None]], axis=2)


def format_of(target: Path) -> Format:
    """The format that the suffix asks for. Raises ``OutputError`` naming those there are."""
    for found in FORMATS:
        if target.suffix.lower() in found.suffixes:
            return found
    have = ", ".join(suffix for f in FORMATS for suffix in f.suffixes)
    raise OutputError(f"{target}: pictures can't be written as {target.suffix or 'a file without suffix'}; use {have}")


def header_size(source: Path) -> tuple[int, int]:
    """Width and height of a picture file, its pixels left unread. Raises ``BadInputError``."""
    with (
        faults_as(BadInputError, f"{source} can't be read as a picture"),
        _opened(source.read_bytes(), source) as image,
    ):
        width, height = image.size
        return width, height


def read_metadata(source: Path) -> Metadata:
    """What a picture file says beside its pixels. Raises ``BadInputError``."""
    data = source.read_bytes()
    with faults_as(BadInputError, f"{source} can't be read as a picture"), _opened(data, source) as image:
        return _metadata(image, data)


def read_picture(source: Path) -> Picture:
    """Decode a still picture. Raises ``BadInputError`` for animations, damage, and what is too large or too odd."""
    with faults_as(BadInputError, f"{source} can't be read as a picture"):
        data = source.read_bytes()
        with _opened(data, source) as image:
            _refuse_animation(image, source)
            notes = _first_notes(image)
            image.load()
            return _decoded(image, data, notes)


def _opened(data: bytes, source: Path) -> Image.Image:
    """Pillow only warns between its limit and twice that; pictures of such a size are real ones."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=READABLE)
    except Image.DecompressionBombError as fault:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise BadInputError(
            f"{source} says it holds more than {limit} megapixels; that is either damage or too much: cut it in parts"
        ) from fault
    except UnidentifiedImageError as fault:
        raise BadInputError(
            f"{source} is damaged, or no picture of a kind read here ({', '.join(READABLE)})"
        ) from fault


def _refuse_animation(image: Image.Image, source: Path) -> None:
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format == "MPO":
        return
    if image.format == "TIFF":
        raise BadInputError(f"{source} holds {count} pages; needed one: save the page you want as its own file")
    video = f"{source.stem}.mp4"
    way = (
        f"write {video} instead" if image.format == "GIF" else f"make a video of it first (ffmpeg -i {source} {video})"
    )
    raise BadInputError(
        f"{source} is an animation of {count} frames; needed a still picture: {way}, or save one frame as PNG"
    )


def _decoded(image: Image.Image, data: bytes, notes: tuple[str, ...]) -> Picture:
    name, metadata = str(image.format), _metadata(image, data)
    if png16.has_16_bits(data):
        pixels: Pixels = png16.decode(data)
    else:
        image, metadata, converted = _plain(image, metadata)
        notes += converted
        pixels = np.asarray(image)
    colour, alpha = _split(pixels)
    return Picture(colour, alpha, metadata, "JPEG" if name == "MPO" else name, _is_lossless(data), notes)


def _split(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """Colour ``[H, W, 1 or 3]`` and alpha ``[H, W]``, in this machine's byte order."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    pixels = pixels.astype(np.uint8 if pixels.dtype.itemsize == 1 else np.uint16, copy=False)
    has_alpha = pixels.shape[2] in (2, 4)
    return (pixels[..., :-1], pixels[..., -1]) if has_alpha else (pixels, None)


def _is_lossless(data: bytes) -> bool:
    return not data.startswith(b"\xff\xd8") and b"VP8 " not in _webp_chunks(data)


def _webp_chunks(data: bytes) -> set[bytes]:
    found, at = set(), 12
    while data[8:12] == b"WEBP" and at + 8 <= len(data):
        found.add(data[at : at + 4])
        at += 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
    return found


def _first_notes(image: Image.Image) -> tuple[str, ...]:
    notes = []
    if image.format == "MPO":
        notes.append(f"{getattr(image, 'n_frames', 2) - 1} further pictures in the file were left out")
    tags = getattr(image, "tag_v2", {})
    if max(tags.get(TIFF_BITS, (8,)), default=8) > 8 and image.mode in ("RGB", "RGBA", "LA", "L"):
        notes.append("16 bits a channel became 8: colour TIFF is read with 8 (PNG keeps 16)")
    if tags.get(ORIENTATION, 1) != 1:
        notes.append("the TIFF was turned upright, as its orientation tag says")  # Pillow does it while it loads
    return tuple(notes)


def _plain(image: Image.Image, metadata: Metadata) -> tuple[Image.Image, Metadata, tuple[str, ...]]:
    """As L, LA, RGB, RGBA or I;16, and what had to be done for that."""
    if image.mode == "CMYK":
        return _from_cmyk(image, metadata)
    if image.mode.startswith("I;16"):
        return image, metadata, ()
    mode, note = _target_mode(image)
    return (image if mode == image.mode else image.convert(mode)), metadata, ((note,) if note else ())


def _target_mode(image: Image.Image) -> tuple[str, str]:
    clear = image.has_transparency_data
    if image.mode == "1":
        return ("LA" if clear else "L"), "1 bit became 8 bit grey"
    if image.mode in ("P", "PA"):
        mode = "RGBA" if clear else "RGB"
        return mode, f"palette became {mode}"
    if image.mode in ("L", "La", "LA"):
        return ("LA" if clear else "L"), ""
    if image.mode in ("RGB", "RGBX", "RGBa", "RGBA"):
        return ("RGBA" if clear else "RGB"), ""
    if image.mode == "YCbCr":
        return "RGB", "YCbCr became RGB"
    raise BadInputError(f"pixels of mode {image.mode} are not served; convert it to 8 or 16 bit RGB or grey first")


def _from_cmyk(image: Image.Image, metadata: Metadata) -> tuple[Image.Image, Metadata, tuple[str, ...]]:
    plainly = "became RGB by the plain formula: colours may be off"
    if not metadata.icc:
        return image.convert("RGB"), metadata, (f"CMYK without a profile {plainly}",)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        result = ImageCms.profileToProfile(image, io.BytesIO(metadata.icc), srgb, outputMode="RGB")
    except ImageCms.PyCMSError:
        unfit = f"CMYK with a profile that is none of CMYK {plainly}"
        return image.convert("RGB"), replace(metadata, icc=None), (unfit,)
    assert result is not None
    profile = srgb.tobytes()
    fresh = profile[:24] + UNDATED + profile[36:]
    return result, replace(metadata, icc=fresh), ("CMYK became sRGB by its own profile, which sRGB's replaces",)


def _metadata(image: Image.Image, data: bytes) -> Metadata:
    info = image.info
    exif = _tiff_exif(image) if image.format == "TIFF" else info.get("exif")
    dpi = info.get("dpi")
    chunks = tuple(c for c in png16.read_chunks(data) if c.kind in png16.KEPT_CHUNKS) if image.format == "PNG" else ()
    return Metadata(
        icc=info.get("icc_profile") or None,
        exif=(exif or b"").removeprefix(EXIF_PREFIX) or None,
        xmp=_bytes(info.get("xmp")),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
        chunks=chunks,
    )


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value or None


def _tiff_exif(image: Image.Image) -> bytes:
    """A TIFF file is its own EXIF: what remains when the layout of its pixels is taken out."""
    exif = image.getexif()
    for tag in TIFF_LAYOUT & set(exif):
        del exif[tag]
    return exif.tobytes() if len(exif) else b""


def encode_picture(picture: Picture, format: Format) -> bytes:
    """The bytes of a file. Raises ``OutputError`` when the format can't hold it."""
    with faults_as(OutputError, f"the picture can't be written as {format.name}"):
        if format.name == "PNG":
            return png16.with_chunks(_png(picture), picture.metadata.png_chunks())
        return _pillow(picture, format.name, **_options(picture, format.name))


def _png(picture: Picture) -> bytes:
    return (
        png16.encode(picture.interleaved()) if picture.bits == 16 else _pillow(picture, "PNG", compress_level=PNG_LEVEL)
    )


def _pillow(picture: Picture, format: str, **options: Any) -> bytes:
    pixels = picture.interleaved()
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def _options(picture: Picture, format: str) -> dict[str, Any]:
    """Pillow's arguments: the metadata that the format can hold, and how to code the pixels."""
    held = picture.metadata
    if format == "BMP":
        return {"dpi": held.dpi} if held.dpi else {}
    exif = EXIF_PREFIX + held.exif if held.exif else None
    found = {"icc_profile": held.icc, "exif": exif, "xmp": held.xmp, "dpi": held.dpi}
    options = {name: value for name, value in found.items() if value}
    if format == "JPEG":
        return {**options, "quality": JPEG_QUALITY, "subsampling": 0}
    if format == "WEBP":
        return {**options, "lossless": True} if picture.lossless else {**options, "quality": WEBP_QUALITY}
    return options  # TIFF: with a compression the EXIF folder could not be written
