"""The JSON Schema and the parser give the same verdict on every manifest, but for what no schema can say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subpixel
from subpixel import manifest as manifests
from subpixel.bundle import Bundle
from subpixel.catalogue import bicubic_bundle, find, shipped_names
from subpixel.errors import BundleError
from subpixel.manifest import Manifest, dump, parse
from subpixel.spec import (
    DTYPES,
    KINDS,
    FileRecord,
    ModelSpec,
    Provenance,
    Quantisation,
    StateSpec,
    TensorSpec,
    Variant,
    tensors_in,
    tensors_out,
)

Sign = Callable[[dict[str, Any]], bytes]
Path_ = tuple[str | int, ...]

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
SCHEMA = json.loads((Path(subpixel.__file__).parent / "schemas" / "bundle.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

names = st.from_regex(manifests.NAME_PATTERN.rstrip("$") + r"\Z")
hashes = st.from_regex(r"\A[0-9a-f]{64}\Z")
records = st.builds(
    FileRecord, st.from_regex(r"\A[a-z0-9_][a-z0-9._+-]{0,8}\.[a-z]{1,4}\Z"), hashes, st.integers(0, 2**60)
)
bounds = st.tuples(st.integers(-300, 0).map(float), st.floats(0.5, 1e6))
quantisations = st.builds(Quantisation, st.floats(1e-9, 1e3), st.integers(-40000, 40000))


@st.composite
def tensors(draw: st.DrawFn) -> TensorSpec:
    low, high = draw(bounds)
    dtype = draw(st.sampled_from(DTYPES))
    stored = draw(quantisations if dtype.startswith("int") else st.none() | quantisations)
    axes, colour, role = draw(st.sampled_from(("NCHW", "NHWC", "NTCHW", "NC"))), draw(colours), draw(roles)
    return TensorSpec(draw(st.text(min_size=1, max_size=8)), dtype, axes, low, high, colour, role, stored)


colours: st.SearchStrategy[Any] = st.sampled_from(("y", "rgb"))
roles: st.SearchStrategy[Any] = st.sampled_from(("frame", "state"))
sides = st.integers(1, 9999)
images = st.builds(
    ModelSpec, names, st.text(max_size=8), st.integers(1, 16), st.sampled_from(("image", "procedure")), colours,
    st.none() | st.integers(0, 99), st.integers(1, 8),
)  # fmt: skip


@st.composite
def clips(draw: st.DrawFn) -> ModelSpec:
    """Models of several frames."""
    window = draw(st.integers(1, 9))
    model = replace(draw(images), colour="y", window=window, lookahead=draw(st.integers(0, window - 1)))
    named = draw(st.lists(names.filter(lambda n: n not in ("lr", "sr") and not n.endswith("_next")), unique=True))
    states = tuple(StateSpec(name, draw(st.integers(1, 99))) for name in named[:2])
    return replace(model, family="recurrent" if states else "video", states=states)


origins = st.builds(
    Provenance, st.none() | st.text(max_size=9), st.none() | hashes, st.text(max_size=9), st.text(max_size=9)
)


def lists(items: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=least, max_size=2).map(tuple)


@st.composite
def valid_manifests(draw: st.DrawFn) -> Manifest:
    """Any manifest that keeps all rules: its paths are made distinct, one variant is the reference."""
    variant = st.builds(
        Variant, names, st.text(max_size=5), st.text(max_size=5), st.sampled_from(KINDS), lists(records),
        lists(tensors()), lists(tensors()), st.sampled_from(("onnx", "torch")), st.none() | st.tuples(sides, sides),
        lists(st.text(max_size=5), 0),
    )  # fmt: skip
    reference = replace(draw(variant), id="onnx-fp32", kind="float")
    others = [replace(draw(variant), id=f"other-{n}") for n in range(draw(st.integers(0, 2)))]
    model = draw(images | clips())
    variants = [fitting(model, renamed(v, f"v{n}")) for n, v in enumerate([reference, *others])]
    files = tuple(replace(r, path=f"other/{n}-{r.path}") for n, r in enumerate(draw(lists(records, 0))))
    return Manifest(model, draw(origins), tuple(variants), files)


def fitting(model: ModelSpec, variant: Variant) -> Variant:
    """With the tensors that a model of several frames must have."""
    if not model.takes_windows:
        return variant
    axes = "NHWC" if variant.source == "torch" else "NCHW"
    return replace(variant, inputs=tensors_in(model, "float", axes), outputs=tensors_out(model, "float", axes))


def renamed(variant: Variant, folder: str) -> Variant:
    return replace(variant, files=tuple(replace(r, path=f"{folder}/{n}-{r.path}") for n, r in enumerate(variant.files)))


@given(valid_manifests())
@settings(max_examples=40, deadline=None)
def test_every_manifest_survives_the_way_to_text_and_back(manifest: Manifest) -> None:
    text = dump(manifest)
    read = parse(text, "here")
    assert replace(read, manifest_sha256="") == manifest
    assert read.manifest_sha256 in text.decode()
    assert dump(read) == text


@given(valid_manifests())
@settings(max_examples=40, deadline=None)
def test_the_schema_takes_every_manifest_that_is_written(manifest: Manifest) -> None:
    VALIDATOR.validate(json.loads(dump(manifest)))


def test_the_schema_itself_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_takes_what_is_shipped() -> None:
    for bundle in [find(name) for name in shipped_names()] + [bicubic_bundle(3)]:
        VALIDATOR.validate(json.loads(dump(bundle.manifest)))


def test_the_patterns_are_the_parsers() -> None:
    texts = json.dumps(SCHEMA)
    for name in ("VERSION_PATTERN", "NAME_PATTERN", "SHA256_PATTERN", "PATH_PATTERN", "AXES_PATTERN"):
        assert json.dumps(getattr(manifests, name)) in texts, name


@pytest.fixture(scope="module")
def rich(shipped: Bundle) -> dict[str, Any]:
    """A manifest that uses every key: fixed shapes, a quantised variant, needs, other files."""
    base = shipped.manifest.variants[0]
    stored = replace(base.inputs[0], dtype="int8", quantisation=Quantisation(1 / 255, -128))
    files = (FileRecord("litert/model.int8.tflite", "a" * 64, 77),)
    extra = replace(
        base, id="litert-int8", kind="quantised", files=files, inputs=(stored,), outputs=(stored,), shapes=(90, 160),
        needs=("int8",),
    )  # fmt: skip
    manifest = replace(shipped.manifest, variants=(base, extra), files=shipped.manifest.files[:1])
    return dict(json.loads(dump(manifest)))


REPLACEMENTS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 16, 17, 0.5, -0.5, 2.0, 10**6, "", "x", "y", "fp32", "NCHW", "NNHW", "HWCX", "int8",
    "uint8", "bool", "../x", "/x", "a/b", "a//b", "bundle.json", "A" * 64, "b" * 64, "n" * 101, "1.0", "1.9", "2.0",
    "rgb", "state", "quantised", "torch", "recurrent", "procedure", "inf", "nan", [], {}, [1], [1, 2], [0, 1],
    [1, 2, 3], ["x"], [None], {"scale": 0.5, "zero_point": 1}, {"scale": 0, "zero_point": 1}, {"scale": 0.5}, {"x": 1},
)  # fmt: skip


def nodes(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """The place of every value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*at, key)
        yield from nodes(item, (*at, key))


def inside(data: Any, at: Path_) -> Any:
    for key in at:
        data = data[key]
    return data


def mutations(data: dict[str, Any]) -> Iterator[str]:
    """Changes ``data`` and puts it right again: each value replaced or taken away, each object with a key too many."""
    for at in [found for found in nodes(data) if found != ("manifest_sha256",)]:
        holder, key, usual = inside(data, at[:-1]), at[-1], inside(data, at)
        for fresh in REPLACEMENTS:
            holder[key] = fresh
            yield f"{at} = {fresh!r}"
        holder[key] = usual
        if isinstance(usual, dict):
            usual["unheard_of"] = 1
            yield f"{at} and more"
            del usual["unheard_of"]
    for at in [found for found in nodes(data) if isinstance(found[-1], str)]:
        usual = dict(inside(data, at[:-1]))
        del inside(data, at[:-1])[at[-1]]
        if at != ("manifest_sha256",):
            yield f"{at} gone"
        inside(data, at[:-1]).update(usual)


def beyond_a_schema(data: dict[str, Any]) -> bool:
    """The rules that compare one value with another."""
    every = [t for v in data["variants"] for t in v["inputs"] + v["outputs"]]
    model = data["model"]
    window, lookahead = model.get("window", 1), model.get("lookahead", 0)
    is_video = model["family"] in ("video", "recurrent") or window > 1 or bool(model.get("states"))
    return any(t["low"] >= t["high"] for t in every) or is_video or not 0 <= lookahead < window


def test_schema_and_parser_agree_on_thousands_of_changed_manifests(rich: dict[str, Any], sign: Sign) -> None:
    changed, verdicts = copy.deepcopy(rich), {True: 0, False: 0}
    for what in mutations(changed):
        by_schema = VALIDATOR.is_valid(changed)
        if by_schema and beyond_a_schema(changed):
            continue
        assert parses(sign(changed)) == by_schema, f"{what}: schema says {by_schema}"
        verdicts[by_schema] += 1
    assert parses(sign(changed))
    assert verdicts[True] > 150
    assert verdicts[False] > 2500


def parses(text: bytes) -> bool:
    try:
        parse(text, "here")
    except BundleError:
        return False
    return True


def twice(data: dict[str, Any]) -> None:
    data["variants"].append(copy.deepcopy(data["variants"][0]))


def other_hash(data: dict[str, Any]) -> None:
    data["files"].append({**data["files"][0], "sha256": "f" * 64})


def file_and_folder(data: dict[str, Any]) -> None:
    data["files"].append({**data["files"][0], "path": f"{data['files'][0]['path']}/inside"})


def upside_down(data: dict[str, Any]) -> None:
    data["variants"][0]["inputs"][0]["low"] = 2


def an_image_as_video(data: dict[str, Any]) -> None:
    data["model"]["family"] = "video"


def beyond_the_window(data: dict[str, Any]) -> None:
    data["model"]["lookahead"] = 1


def states_of_an_image(data: dict[str, Any]) -> None:
    data["model"]["states"] = [{"name": "hidden", "channels": 4}]


CHANGES = (
    twice, other_hash, file_and_folder, upside_down, an_image_as_video, beyond_the_window, states_of_an_image,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_no_schema_can_say_is_refused_by_the_parser(
    change: Callable[[dict[str, Any]], None], rich: dict[str, Any], sign: Sign
) -> None:
    changed = copy.deepcopy(rich)
    change(changed)
    assert VALIDATOR.is_valid(changed)
    assert not parses(sign(changed))


def test_the_manifests_own_hash_must_be_right(rich: dict[str, Any], sign: Sign) -> None:
    text = sign(rich)
    assert parses(text)
    assert not parses(text.replace(b" ", b"  ", 1))
    assert not parses(json.dumps(rich).encode())
    assert not parses(json.dumps({key: value for key, value in rich.items() if key != "manifest_sha256"}).encode())
