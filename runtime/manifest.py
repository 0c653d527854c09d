"""``bundle.json``: the manifest of a bundle, with the hash of itself. ``docs/bundle-format.md`` explains it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from subpixel.errors import BundleError
from subpixel.records import RecordError, from_json, to_json
from subpixel.spec import (
    DTYPES,
    LR,
    SR,
    FileRecord,
    ModelSpec,
    Provenance,
    TensorSpec,
    Variant,
    tensors_in,
    tensors_out,
)

SCHEMA_VERSION = "1.0"
REFERENCE_ID = "onnx-fp32"  # the variant all others are measured against, in the `float` kind
MANIFEST_NAME = "bundle.json"
MAX_SCALE = 16
UNSIGNED = "0" * 64  # what stands for the manifest's own hash while it is computed

# The same texts stand in schemas/bundle.schema.json. Names become file names in caches and folders, hence so narrow.
VERSION_PATTERN = r"^1\.[0-9]+$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
PATH_PATTERN = r"^(?!bundle\.json$)(?=.{1,200}$)[A-Za-z0-9_][A-Za-z0-9._+-]*(/[A-Za-z0-9_][A-Za-z0-9._+-]*)*$"
AXES_PATTERN = r"^(?!.*(.).*\1)[NTCHW]{1,5}$"


@dataclass(frozen=True)
class Manifest:
    """All that a bundle says of itself. ``files``: what belongs to no variant (evidence, card)."""

    model: ModelSpec
    provenance: Provenance
    variants: tuple[Variant, ...]
    files: tuple[FileRecord, ...] = ()
    schema_version: str = SCHEMA_VERSION
    manifest_sha256: str = ""

    def variant(self, id: str) -> Variant:
        """The variant called ``id``; raises ``BundleError`` naming those there are."""
        for variant in self.variants:
            if variant.id == id:
                return variant
        have = ", ".join(v.id for v in self.variants)
        raise BundleError(f"{self.model.name} has no variant {id!r}; it has: {have}")

    def all_files(self) -> tuple[FileRecord, ...]:
        """Every file the bundle may hold, the manifest itself left out; a file shared by variants comes once."""
        return tuple({record.path: record for record in self.listed()}.values())

    def listed(self) -> Iterator[FileRecord]:
        """Every line of the manifest that names a file, a shared file as often as it is named."""
        for variant in self.variants:
            yield from variant.files
        yield from self.files


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def dump(manifest: Manifest) -> bytes:
    """The manifest as JSON text, its own hash filled in."""
    unsigned = to_json(replace(manifest, manifest_sha256=UNSIGNED))
    text = (json.dumps(unsigned, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    before, _, after = text.rpartition(UNSIGNED.encode())
    return before + sha256(text).encode() + after


def own_hash(text: bytes, written: str) -> str:
    """What ``manifest_sha256`` must be: the hash of the text with 64 zeros where its value is ``written``."""
    return sha256(text.replace(written.encode(), UNSIGNED.encode()))


def parse(text: bytes, where: str) -> Manifest:
    """Read a manifest; ``where`` names it in errors. Raises ``BundleError`` for damage or an unknown schema version."""
    data = _read_json(text, where)
    _check_version(data.get("schema_version"), where)
    written = data.get("manifest_sha256")
    if not _fits(SHA256_PATTERN, written) or written != own_hash(text, str(written)):
        raise BundleError(f"{where}: bundle.json does not match its own hash; it was changed, fetch it again")
    try:
        manifest = from_json(Manifest, data)
    except RecordError as fault:
        found = data["schema_version"]
        newer = "" if found == SCHEMA_VERSION else f" (schema {found}; this subpixel reads {SCHEMA_VERSION}: update it)"
        raise BundleError(f"{where}: bundle.json: {fault}{newer}") from fault
    check(manifest, where)
    return manifest


def _read_json(text: bytes, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text.decode("utf-8"), object_pairs_hook=_distinct_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as fault:
        raise BundleError(f"{where}: bundle.json isn't JSON ({fault}); it is damaged, fetch it again") from fault
    if not isinstance(data, dict):
        raise BundleError(f"{where}: bundle.json holds {type(data).__name__}, needed an object")
    return data


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of two equal keys, so none is taken."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has one key twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _check_version(found: object, where: str) -> None:
    if not _fits(VERSION_PATTERN, found):
        raise BundleError(f"{where}: schema version {found!r}; this subpixel reads {SCHEMA_VERSION}: update subpixel")


def check(manifest: Manifest, where: str) -> None:
    """What the types alone do not say. Raises ``BundleError`` with the first thing that isn't as it must be."""
    for problem in _problems(manifest):
        raise BundleError(f"{where}: bundle.json: {problem}")


def check_paths(manifest: Manifest, where: str) -> None:
    """Every listed path is plain and inside the bundle, as text. Raises ``BundleError``."""
    for problem in _path_problems(manifest):
        raise BundleError(f"{where}: bundle.json: {problem}")


def _problems(manifest: Manifest) -> Iterator[str]:
    yield from _model_problems(manifest.model)
    yield from _path_problems(manifest)
    for variant in manifest.variants:
        yield from _variant_problems(variant)
        if manifest.model.takes_windows or manifest.model.states:
            yield from _video_problems(manifest.model, variant)
    ids = [v.id for v in manifest.variants]
    if len(ids) != len(set(ids)):
        yield f"two variants share one id; needed distinct ids, found {', '.join(ids)}"
    reference = [v for v in manifest.variants if v.id == REFERENCE_ID and v.kind == "float"]
    if not reference and manifest.model.family != "procedure":
        yield f"the variant {REFERENCE_ID} of kind float is missing; needed as the reference of all others"


def _model_problems(model: ModelSpec) -> Iterator[str]:
    if not _fits(NAME_PATTERN, model.name):
        yield f"model name {model.name!r}; needed letters, digits, '.', '_' and '-', at most 100"
    if not 1 <= model.scale <= MAX_SCALE:
        yield f"scale {model.scale}; needed 1 to {MAX_SCALE}"
    if model.size_multiple < 1 or model.window < 1:
        yield f"size multiple {model.size_multiple} and window {model.window}; needed at least 1"
    if model.radius_px is not None and model.radius_px < 0:
        yield f"radius {model.radius_px}; needed 0 or more, or null where it has no bound"
    if not 0 <= model.lookahead < max(model.window, 1):
        yield f"lookahead {model.lookahead} of a window of {model.window}; needed at least 0 and less than the window"
    yield from _state_problems(model)


def _state_problems(model: ModelSpec) -> Iterator[str]:
    names = [name for state in model.states for name in (state.name, state.next_name)]
    if len({LR, SR, *names}) != len(names) + 2:
        yield f"states called {', '.join(s.name for s in model.states)}; needed distinct names, other than lr and sr"
    for state in model.states:
        if not _fits(NAME_PATTERN, state.name) or state.channels < 1:
            yield f"state {state.name!r} of {state.channels} channels; needed a plain name and at least 1"
    if model.states and model.family != "recurrent":
        yield f"states in the family {model.family}; needed the family recurrent"


def _video_problems(model: ModelSpec, variant: Variant) -> Iterator[str]:
    """Models of several frames: which tensors there must be, and how they lie; images' are checked when they run."""
    if model.colour != "y":
        yield f"a window of frames of the colour {model.colour}; needed luma (y)"
    for found, needed in ((variant.inputs, tensors_in(model, "float")), (variant.outputs, tensors_out(model, "float"))):
        if {_outline(t) for t in found} != {_outline(t) for t in needed} or len(found) != len(needed):
            have, want = (", ".join(f"{t.name} {t.axes} ({t.role})" for t in side) for side in (found, needed))
            yield f"{variant.id}: tensors {have}; needed {want} (the axes in any order)"


def _outline(tensor: TensorSpec) -> tuple[str, str, tuple[str, ...]]:
    return tensor.name, tensor.role, tuple(sorted(tensor.axes))


def _path_problems(manifest: Manifest) -> Iterator[str]:
    seen: dict[str, FileRecord] = {}
    for record in manifest.listed():
        if not _fits(PATH_PATTERN, record.path):
            yield f"a file is called {record.path!r}; needed a plain path inside the bundle"
        if not _fits(SHA256_PATTERN, record.sha256) or record.size_bytes < 0:
            yield f"{record.path}: needed a SHA-256 in lower-case hexadecimal and a size of at least 0"
        if seen.setdefault(record.path, record) != record:
            yield f"{record.path} is listed twice with different hashes"
    folders = {path[:at] for path in seen for at, letter in enumerate(path) if letter == "/"}
    for path in folders & set(seen):
        yield f"{path} is listed as a file and as a folder"


def _variant_problems(variant: Variant) -> Iterator[str]:
    if not _fits(NAME_PATTERN, variant.id):
        yield f"variant id {variant.id!r}; needed letters, digits, '.', '_' and '-', at most 100"
    if not variant.files or not variant.inputs or not variant.outputs:
        yield f"{variant.id} lacks its file, its inputs or its outputs"
    if variant.shapes is not None and min(variant.shapes) < 1:
        yield f"{variant.id}: shapes {variant.shapes}; needed at least 1 by 1, or null where the size is free"
    for tensor in variant.inputs + variant.outputs:
        for problem in _tensor_problems(tensor):
            yield f"{variant.id}: tensor {tensor.name!r}: {problem}"


def _tensor_problems(tensor: TensorSpec) -> Iterator[str]:
    if not tensor.name:
        yield "needed a name"
    if tensor.dtype not in DTYPES:
        yield f"dtype {tensor.dtype!r}; needed one of {', '.join(DTYPES)}"
    if not _fits(AXES_PATTERN, tensor.axes):
        yield f"axes {tensor.axes!r}; needed distinct letters of NTCHW"
    if not (isfinite(tensor.low) and isfinite(tensor.high) and tensor.low < tensor.high):
        yield f"values from {tensor.low} to {tensor.high}; needed two finite numbers, the lower first"
    stored = tensor.quantisation
    if stored is None and tensor.dtype in ("int8", "int16"):
        yield f"{tensor.dtype} without its quantisation; needed scale and zero point"
    if stored is not None and not (isfinite(stored.scale) and stored.scale > 0):
        yield f"quantisation scale {stored.scale}; needed a finite number above 0"


def _fits(pattern: str, found: object) -> bool:
    """Whole match: Python's ``$`` alone would let a line feed pass at the end."""
    return isinstance(found, str) and re.fullmatch(pattern, found) is not None
