"""Pictures: which files are, what they can be written as, what is asked and told. Loads no library that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from subpixel.engines.base import Receipt
from subpixel.errors import BadInputError, NotFoundError, faults_as

SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"\xff\x0a")
BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)
STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1")  # pictures in an MP4-like box: told apart from video, not read


@dataclass(frozen=True)
class Format:
    """``fine``: channel counts it can hold with 16 bits here; ``max_side``: its longest side in pixels."""

    name: str
    suffixes: tuple[str, ...]
    alpha: bool
    fine: tuple[int, ...]
    max_side: int


FORMATS = (
    Format("PNG", (".png",), True, (1, 2, 3, 4), (1 << 31) - 1),
    Format("JPEG", (".jpg", ".jpeg"), False, (), 65500),
    Format("WEBP", (".webp",), True, (), 16383),
    Format("TIFF", (".tif", ".tiff"), True, (1,), (1 << 31) - 1),
    Format("BMP", (".bmp",), False, (), (1 << 31) - 1),
)


@dataclass(frozen=True)
class ImageOptions:
    """``size``: exactly this (width, height), else the model's factor. ``compare``: bicubic at the left, model right.

    Both are of the pixels as stored: an EXIF orientation is kept as a tag and turns the picture only when it is shown.
    """

    size: tuple[int, int] | None = None
    compare: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class ImageReport:
    """What was done. Sizes are width, height.

    ``kept``: metadata found again in OUT; ``dropped``: those that OUT can't hold; ``notes``: other conversions.
    ``orientation``: of the EXIF, kept as a tag, the pixels as stored; 1: none, or upright.
    """

    source_format: str
    source_mode: str
    target_mode: str
    source_size: tuple[int, int]
    target_size: tuple[int, int]
    orientation: int
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    receipt: Receipt
    read_ms: float
    model_ms: float
    write_ms: float
    source: str = ""
    target: str = ""
    target_format: str = ""


def is_image(path: Path) -> bool:
    """Whether the file's first bytes are those of a picture (kinds that are not read included, to be refused well).

    Raises ``NotFoundError``, or ``BadInputError`` for a folder and what can't be read.
    """
    if not path.exists():
        raise NotFoundError(f"{path}: no such file")
    if path.is_dir():
        raise BadInputError(f"{path} is a folder; needed an image or video file")
    with faults_as(BadInputError, f"{path} can't be read"), path.open("rb") as file:
        head = file.read(18)
    in_riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    in_box = head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS
    is_bmp = head[:2] == b"BM" and len(head) == 18 and int.from_bytes(head[14:18], "little") in BMP_HEADER_BYTES
    return head.startswith(SIGNATURES) or in_riff or in_box or is_bmp
