"""The page of what int8 costs: its rows, its record, and what the committed one says of our own nets."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

MACHINE = {"cpu": "one", "flags": ["avx2"], "cores": 2, "memory_gib": 4, "system": "x", "python": "3", "versions": {}}


@pytest.fixture
def int8(require: Callable[[str], None]) -> Any:
    require("torch")
    return importlib.import_module("int8")


def pair_of(int8: Any, net: str = "edge-x3", engine: str = "openvino", failed: str = "", after: float = 33.06) -> Any:
    psnr = {"set5": (33.1, after), "set14": (29.4, 29.38)}
    return int8.Pair(net, engine, psnr, (36.0, 9.0), failed, "openvino-int8-u8" if not failed else "openvino-fp32-u8")


def test_a_row_says_what_is_lost_what_is_saved_and_what_is_taken(int8: Any) -> None:
    assert int8.row(pair_of(int8)) == "| edge-x3 | openvino | 33.10 | 0.040 | 0.020 | 36.0 | 9.0 (0.25) | ✅ | int8 |"
    assert int8.row(pair_of(int8, failed="flicker")).endswith("| ❌ flicker | fp32 |")


def test_the_page_counts_what_passed_and_what_lost_little(int8: Any) -> None:
    pairs = [pair_of(int8), pair_of(int8, "edge-x2", after=33.0), pair_of(int8, "edge-x4", failed="int8 loss")]
    text = "\n".join(int8.page({"machine": MACHINE, "pairs": [asdict(pair) for pair in pairs]}))
    assert "Of 3 pairs 2 pass the gate; of these 1 lose at most 0.05 dB on Set5." in text


def test_a_part_measured_again_leaves_the_rest_of_the_same_machine(int8: Any) -> None:
    earlier = {"machine": MACHINE, "pairs": [asdict(pair_of(int8)), asdict(pair_of(int8, "edge-x2"))]}
    fresh = [pair_of(int8, "edge-x2", after=33.09)]
    found = int8.joined(MACHINE, fresh, earlier)["pairs"]
    assert found == [asdict(fresh[0]), asdict(pair_of(int8))]
    assert int8.joined({**MACHINE, "cores": 4}, fresh, earlier)["pairs"] == [asdict(fresh[0])]


def test_the_committed_page_is_what_its_record_says_and_our_nets_lose_little(int8: Any) -> None:
    record = json.loads(int8.RECORD.read_text())
    assert int8.RECORD.with_suffix(".md").read_text() == "\n".join(int8.page(record)) + "\n"
    ours = [pair for pair in (int8.Pair(**one) for one in record["pairs"]) if pair.net.startswith("edge-")]
    assert len(ours) == 27
    assert [(pair.net, pair.engine) for pair in ours if pair.failed or pair.lost_db["set5"] > int8.LIMIT_DB] == []


def test_a_net_is_measured_on_an_engine(
    int8: Any, require: Callable[[str], None], eval_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("onnxruntime")
    monkeypatch.setenv("SUBPIXEL_DATA", str(eval_data))
    monkeypatch.setattr(int8, "SECONDS", 0.0)
    found = int8.measured("edge-fast-x4", "onnxruntime")
    assert not found.failed
    assert 30.3 < found.psnr_db["set5"][1] < found.psnr_db["set5"][0] < 30.6
    assert min(found.ms) > 0
