"""``subpixel check`` on models of several frames, with states and in colour: torch nets and foreign files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subpixel import bundle as bundles
from subpixel.bundle import Bundle
from subpixel.cli.check import _Stepping
from subpixel.cli.main import cli
from subpixel.feeding import clip_by
from subpixel.spec import ModelSpec, StateSpec


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One gate image, small frames to time."""
    from subpixel import gate_images

    whole = gate_images.folder_frames
    monkeypatch.setattr("subpixel.measuring.TIMED_SIZE", (36, 64))
    monkeypatch.setattr(gate_images, "folder_frames", lambda *given: whole(*given)[:1])
    gate_images.gate_frames.cache_clear()
    yield
    gate_images.gate_frames.cache_clear()


@pytest.mark.parametrize("name", ["picks", "running_sum", "same_colours"])
def test_each_kind_of_model_gets_its_evidence(
    name: str, toy_nets: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle: Bundle = toy_nets.picks(2) if name == "picks" else getattr(toy_nets, name)()
    bundles.save(bundle, tmp_path / "mine.spx")
    assert cli.main(["check", str(tmp_path / "mine.spx"), "--json"], standalone_mode=False) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"]
    assert [line["status"] for line in told["lines"]] == ["passed", "passed"]
    gates = {verdict["gate"] for line in told["lines"] for verdict in line["verdicts"]}
    assert gates == {"parity"} | (set() if name == "running_sum" else {"tiled against whole"})


def test_a_torch_net_keeps_its_states_from_frame_to_frame(require: Any) -> None:
    require("torch")
    import numpy as np
    import torch

    class Sum(torch.nn.Module):
        def forward(self, lr: torch.Tensor, total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            following = total + lr[:, :1]
            return following, following

    model = ModelSpec("sum", "1", 1, "recurrent", "y", None, 1, 1, 0, (StateSpec("total", 1),))
    play = clip_by(_Stepping(torch, Sum(), model), model)
    clip = [np.full((3, 4), level, np.float32) for level in (0.1, 0.2, 0.3)]
    for _ in range(2):
        assert [round(float(frame[0, 0]), 5) for frame in play(clip)] == [0.1, 0.3, 0.6]
