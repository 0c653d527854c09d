"""``bundle.json``: the manifest of a bundle, with the hash of itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from subpixel.errors import BundleError
from subpixel.records import RecordError, from_json, to_json
from subpixel.spec import FileRecord, ModelSpec, Provenance, Variant

SCHEMA_VERSION = "1.0"
REFERENCE_ID = "onnx-fp32"  # the variant all others are measured against, in the `float` kind


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
        records = [f for v in self.variants for f in v.files] + list(self.files)
        return tuple({record.path: record for record in records}.values())


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def dump(manifest: Manifest) -> bytes:
    """The manifest as JSON text, its own hash filled in."""
    signed = replace(manifest, manifest_sha256=own_hash(to_json(manifest)))
    return (json.dumps(to_json(signed), indent=1, ensure_ascii=False) + "\n").encode()


def own_hash(data: dict[str, Any]) -> str:
    """Hash of the manifest's content without the hash itself, independent of white space."""
    content = {key: value for key, value in data.items() if key != "manifest_sha256"}
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def parse(text: bytes, where: str) -> Manifest:
    """Read a manifest; ``where`` names it in errors. Raises ``BundleError`` for damage or an unknown schema version."""
    try:
        data = json.loads(text)
    except ValueError as fault:
        raise BundleError(f"{where}: bundle.json isn't JSON ({fault}); it is damaged, fetch it again") from fault
    if not isinstance(data, dict):
        raise BundleError(f"{where}: bundle.json holds {type(data).__name__}, needed an object")
    _check_version(data.get("schema_version"), where)
    if data.get("manifest_sha256") != own_hash(data):
        raise BundleError(f"{where}: bundle.json does not match its own hash; it was changed, fetch it again")
    try:
        manifest = from_json(Manifest, data)
    except RecordError as fault:
        raise BundleError(f"{where}: bundle.json: {fault}") from fault
    _check_consistent(manifest, where)
    return manifest


def _check_version(found: object, where: str) -> None:
    major = str(found).partition(".")[0]
    if major != SCHEMA_VERSION.partition(".")[0]:
        raise BundleError(f"{where}: schema version {found!r}; this subpixel reads {SCHEMA_VERSION}: update subpixel")


def _check_consistent(manifest: Manifest, where: str) -> None:
    ids = [v.id for v in manifest.variants]
    if len(ids) != len(set(ids)):
        raise BundleError(f"{where}: two variants share one id; needed distinct ids, found {', '.join(ids)}")
    if any(not v.files or not v.inputs or not v.outputs for v in manifest.variants):
        raise BundleError(f"{where}: a variant lacks its file, its inputs or its outputs")
    records: dict[str, FileRecord] = {}
    for record in [f for v in manifest.variants for f in v.files] + list(manifest.files):
        if records.setdefault(record.path, record) != record:
            raise BundleError(f"{where}: {record.path} is listed twice with different hashes")
    if not 1 <= manifest.model.scale <= 16 or manifest.model.size_multiple < 1:
        raise BundleError(f"{where}: scale {manifest.model.scale} and size multiple must be 1 to 16 and at least 1")
