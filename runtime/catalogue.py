"""Finds a bundle by its name (shipped, or a built-in procedure: bicubic, the classical methods) or by its path."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from subpixel.bundle import SUFFIX, Bundle, file_record, load
from subpixel.classical.methods import METHODS, TARGET, Method, method
from subpixel.errors import NotFoundError
from subpixel.manifest import Manifest
from subpixel.spec import Kind, ModelSpec, Provenance, TensorSpec, Variant, luma_frame

SHIPPED = Path(__file__).parent / "bundles"
DEFAULT_MODEL = "edge-x3"
PROCEDURE_NAME = re.compile(r"([a-z]+(?:-[a-z]+)*)-x(\d{1,2})")
PROCEDURE_FILE = "procedure.json"
LISTED_SCALES = (2, 3, 4)
BICUBIC_RADIUS_PX, BICUBIC_SCALES = 2, range(1, 17)
KINDS: tuple[Kind, ...] = ("float", "u8")


def shipped_names() -> list[str]:
    """Names of the bundles that come with the package, sorted."""
    return sorted(file.stem for file in SHIPPED.glob(f"*{SUFFIX}"))


def procedure_names() -> list[str]:
    """Names of the built-in procedures at the usual scales: ``bicubic-x2`` ..., then each classical method's."""
    names = [("bicubic", BICUBIC_SCALES), *((row.name, row.scales) for row in METHODS)]
    return [f"{name}-x{scale}" for name, scales in names for scale in LISTED_SCALES if scale in scales]


def find(name_or_path: str | Path) -> Bundle:
    """The bundle of this name or path. Raises ``NotFoundError`` with the nearest name, or ``BundleError``."""
    text = str(name_or_path)
    if (procedure := procedure_bundle(text)) is not None:
        return procedure
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
    near = difflib.get_close_matches(text, [*shipped_names(), *procedure_names()], n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    procedures = ", ".join(f"{name}-xN" for name in ("bicubic", *(row.name for row in METHODS)))
    return f"{hint}shipped: {', '.join(shipped_names())}; built in: {procedures}; `subpixel models` lists them"


def procedure_bundle(name: str) -> Bundle | None:
    """The built-in procedure of this name at any scale that it has; ``None`` where there is no such one."""
    parts = PROCEDURE_NAME.fullmatch(name)
    if parts is None:
        return None
    procedure, scale = parts.group(1), int(parts.group(2))
    if procedure == "bicubic" and scale in BICUBIC_SCALES:
        return bicubic_bundle(scale)
    if any(row.name == procedure and scale in row.scales for row in METHODS):
        return classical_bundle(method(procedure), scale)
    return None


def bicubic_bundle(scale: int) -> Bundle:
    """The built-in bicubic as a bundle of the family ``procedure``, in both kinds."""
    spec = ModelSpec(f"bicubic-x{scale}", "1", scale, "procedure", "y", BICUBIC_RADIUS_PX)
    tensors = {kind: (luma_frame("lr", kind), luma_frame("sr", kind)) for kind in KINDS}
    return _procedure("bicubic", "procedure", spec, tensors, "Keys 1981")


def classical_bundle(row: Method, scale: int) -> Bundle:
    """A classical method at one scale as a bundle of the family ``procedure``, in both kinds."""
    name, window = f"{row.name}-x{scale}", (row.window, row.lookahead)
    spec = ModelSpec(name, "1", scale, "procedure", "y", row.radius_px, 1, *window)
    return _procedure(row.name, TARGET, spec, {kind: row.tensors(kind) for kind in KINDS}, row.source)


def _procedure(
    name: str, target: str, spec: ModelSpec, tensors: dict[Kind, tuple[TensorSpec, TensorSpec]], source: str
) -> Bundle:
    data = f'{{"procedure": "{name}"}}\n'.encode()
    record = file_record(PROCEDURE_FILE, data)
    suffixes = {"float": "", "u8": "-u8"}
    variants = tuple(
        Variant(f"{target}-fp32{suffixes[kind]}", target, "fp32", kind, (record,), (given,), (wanted,), source="onnx")
        for kind, (given, wanted) in tensors.items()
    )
    provenance = Provenance(name, created_by="subpixel", licence="Apache-2.0", source=source)
    return Bundle(Manifest(spec, provenance, variants), {PROCEDURE_FILE: data})
