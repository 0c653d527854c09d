"""Finds a bundle by its name (shipped, or the built-in bicubic) or by its path."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from subpixel.bundle import SUFFIX, Bundle, file_record, load
from subpixel.errors import NotFoundError
from subpixel.manifest import Manifest
from subpixel.spec import FileRecord, Kind, ModelSpec, Provenance, Variant, luma_frame

SHIPPED = Path(__file__).parent / "bundles"
DEFAULT_MODEL = "espcn-x3"
BICUBIC_NAME = re.compile(r"bicubic-x(\d{1,2})")
BICUBIC_RADIUS_PX = 2


def shipped_names() -> list[str]:
    """Names of the bundles that come with the package, sorted."""
    return sorted(file.stem for file in SHIPPED.glob(f"*{SUFFIX}"))


def find(name_or_path: str | Path) -> Bundle:
    """The bundle of this name or path. Raises ``NotFoundError`` with the nearest name, or ``BundleError``."""
    text = str(name_or_path)
    bicubic = BICUBIC_NAME.fullmatch(text)
    if bicubic and 1 <= int(bicubic.group(1)) <= 16:
        return bicubic_bundle(int(bicubic.group(1)))
    if text in shipped_names():
        return load(SHIPPED / f"{text}{SUFFIX}")
    if text and _exists(Path(text)):
        return load(Path(text))
    raise NotFoundError(f"no model {text!r}: neither a shipped name nor a path; {_suggestion(text)}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for a file, a folder that may not be looked into
        return False


def find_here(name_or_path: str | Path) -> Bundle:
    """As ``find``, but a bundle of that name in this folder comes before a shipped one: it was just made here."""
    path = Path(name_or_path)
    return load(path) if path.exists() else find(name_or_path)


def _suggestion(text: str) -> str:
    near = difflib.get_close_matches(text, shipped_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}shipped: {', '.join(shipped_names())}, bicubic-xN; `subpixel models` lists them"


def bicubic_bundle(scale: int) -> Bundle:
    """The built-in bicubic as a bundle of the family ``procedure``, in both kinds."""
    path, data = "procedure.json", b'{"procedure": "bicubic"}\n'
    record = file_record(path, data)
    variants = (_procedure("procedure-fp32", "float", record), _procedure("procedure-fp32-u8", "u8", record))
    spec = ModelSpec(f"bicubic-x{scale}", "1", scale, "procedure", "y", BICUBIC_RADIUS_PX)
    provenance = Provenance("bicubic", created_by="subpixel", licence="Apache-2.0", source="Keys 1981")
    return Bundle(Manifest(spec, provenance, variants), {path: data})


def _procedure(id: str, kind: Kind, record: FileRecord) -> Variant:
    given, wanted = (luma_frame("lr", kind),), (luma_frame("sr", kind),)
    return Variant(id, "procedure", "fp32", kind, (record,), given, wanted, source="onnx")
