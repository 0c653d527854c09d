"""docs/bundle-format.md: its manifest is one, its evidence is one, and what its program writes is a bundle."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import subpixel
from subpixel.bundle import MANIFEST_LIMIT_BYTES, load
from subpixel.evidence import Evidence
from subpixel.figures import ModelFigures, SetFigure
from subpixel.manifest import Manifest, dump, parse
from subpixel.records import from_json
from subpixel.spec import DTYPES, FAMILIES, KINDS, ModelSpec, Provenance, TensorSpec, Variant

PAGE = Path(__file__).parents[2] / "docs" / "bundle-format.md"
TEXT = PAGE.read_text()
SCHEMA = Path(subpixel.__file__).parent / "schemas" / "bundle.schema.json"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_manifest_on_the_page_is_valid_and_as_it_would_be_written() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    text = blocks("json")[0]
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(text))
    assert dump(parse(text.encode(), "the page")) == text.encode()


def test_the_evidence_on_the_page_is_of_its_variant() -> None:
    manifest, evidence = parse(blocks("json")[0].encode(), "the page"), json.loads(blocks("json")[1])
    found = from_json(Evidence, evidence)
    assert found.passed
    assert manifest.variant(found.variant).file.sha256 == found.sha256
    assert set(evidence) == {f.name for f in fields(Evidence)}


def test_the_pages_figures_are_read_as_figures() -> None:
    told = from_json(ModelFigures, json.loads(blocks("json")[2]))
    assert told.sets == (SetFigure("set5", 32.95, 0.9118),)


def test_the_program_on_the_page_writes_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for body in blocks("python"):
        exec(compile(body, PAGE.name, "exec"), names)
    bundle = load(tmp_path / "mine-x3.spx")
    assert bundle.spec == ModelSpec("mine-x3", "1", 3, "image", "y", 4)
    assert "import subpixel" not in blocks("python")[1]


@pytest.mark.parametrize("record", [Manifest, ModelSpec, Variant, TensorSpec, Provenance])
def test_every_key_is_explained(record: type[Any]) -> None:
    told = set(re.findall(r"`(\w+)`", TEXT)) | set(re.findall(r'"(\w+)":', blocks("json")[0]))
    assert {f.name for f in fields(record)} <= told


def test_every_word_of_the_contract_is_explained() -> None:
    told = set(re.findall(r"`(\w+)`", TEXT))
    assert {*FAMILIES, *KINDS, *DTYPES} <= told
    assert f"{MANIFEST_LIMIT_BYTES >> 20} MiB" in TEXT
