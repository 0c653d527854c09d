"""Frozen dataclasses to JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subpixel.evidence import Evidence
from subpixel.quality.gates import Verdict
from subpixel.records import RecordError, from_json, to_json


@dataclass(frozen=True)
class Leaf:
    count: int
    share: float
    word: str = "none"


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    leaves: tuple[Leaf, ...]
    size: tuple[int, int] | None
    colour: Literal["y", "rgb"]
    figures: Mapping[str, float] = field(default_factory=dict)
    open: bool = False


TREE = Tree(Leaf(1, 0.5), (Leaf(2, 1.0, "x"),), (3, 4), "y", {"dB": 33.13})
GOOD: dict[str, Any] = to_json(TREE)

finite = st.floats(allow_nan=False)
leaves = st.builds(Leaf, st.integers(), finite, st.text())
trees = st.builds(
    Tree, leaves, st.lists(leaves).map(tuple), st.none() | st.tuples(st.integers(), st.integers()),
    st.sampled_from(("y", "rgb")), st.dictionaries(st.text(), finite), st.booleans(),
)  # fmt: skip


@given(trees)
def test_records_survive_json(tree: Tree) -> None:
    text = json.dumps(to_json(tree), allow_nan=False)
    assert from_json(Tree, json.loads(text)) == tree


@given(st.floats())
def test_every_float_survives_as_strict_json(value: float) -> None:
    text = json.dumps(to_json(Leaf(0, value)), allow_nan=False)
    found = from_json(Leaf, json.loads(text)).share
    assert found == value or (math.isnan(found) and math.isnan(value))


verdicts = st.builds(Verdict, st.text(), st.floats(), st.floats(), st.text(), st.text(), st.booleans())


@given(st.lists(verdicts).map(tuple), st.dictionaries(st.text(), st.floats(allow_nan=False)), st.lists(st.text()))
def test_evidence_keeps_its_verdict(found: tuple[Verdict, ...], figures: dict[str, float], notes: list[str]) -> None:
    evidence = Evidence("onnx-fp32", "0" * 64, found, figures=figures, notes=tuple(notes))
    read = from_json(Evidence, json.loads(json.dumps(to_json(evidence), allow_nan=False)))
    assert read.passed == evidence.passed
    assert [bool(v) for v in read.verdicts] == [bool(v) for v in evidence.verdicts]
    assert (dict(read.figures), read.notes) == (figures, tuple(notes))


def test_json_has_one_kind_of_number() -> None:
    found = from_json(Leaf, {"count": 3.0, "share": 1})
    assert (found.count, found.share) == (3, 1.0)
    assert isinstance(found.count, int)
    assert isinstance(found.share, float)


WRONG = [
    ({"leaf": 7}, "leaf: found int, needed an object"),
    ({"leaf": {"count": 1}}, "leaf: 'share' is missing"),
    ({"leaf": {"count": 1, "share": 1, "more": 1}}, "leaf: unknown key 'more'"),
    ({"leaf": {"count": True, "share": 1}}, "leaf.count: found True, needed int"),
    ({"leaf": {"count": 1.5, "share": 1}}, "leaf.count: found 1.5, needed int"),
    ({"leaf": {"count": "1", "share": 1}}, "leaf.count: found '1', needed int"),
    ({"leaf": {"count": None, "share": 1}}, "leaf.count: found None, needed int"),
    ({"leaf": {"count": 1, "share": "much"}}, "leaf.share: found 'much', needed float"),
    ({"leaf": {"count": 1, "share": True}}, "leaf.share: found True, needed float"),
    ({"leaf": {"count": 1, "share": 10**400}}, "leaf.share"),
    ({"leaf": {"count": 1, "share": 1, "word": 5}}, "leaf.word: found 5, needed str"),
    ({"leaves": {}}, "leaves: found dict, needed a list"),
    ({"leaves": [1]}, r"leaves\[0\]: found int, needed an object"),
    ({"size": [1]}, "size: found 1 items, needed 2"),
    ({"size": [1, "2"]}, r"size\[1\]: found '2', needed int"),
    ({"size": "12"}, "size: found str, needed a list"),
    ({"colour": "green"}, "colour: found 'green', needed one of y, rgb"),
    ({"colour": ["y"]}, "colour"),
    ({"figures": []}, "figures: found list, needed an object"),
    ({"figures": {"dB": "loud"}}, "figures.dB: found 'loud', needed float"),
    ({"open": 1}, "open: found 1, needed bool"),
    ({"new": 1}, "top level: unknown key 'new'"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_what_does_not_fit_is_named_with_its_place(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RecordError, match=words):
        from_json(Tree, {**GOOD, **change})


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_only_an_object_is_a_record(data: object) -> None:
    with pytest.raises(RecordError, match="top level"):
        from_json(Tree, data)


def test_defaults_fill_what_may_be_missing() -> None:
    assert from_json(Tree, {key: GOOD[key] for key in ("leaf", "leaves", "size", "colour")}) == replace(
        TREE, figures={}
    )
