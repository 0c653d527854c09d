"""`subpixel bench` with real engines at a tiny size: a row for every variant and engine, failures among them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from subpixel.bundle import Bundle, file_record, save
from subpixel.devices.ffmpeg import count_frames, make_clip
from subpixel.engines.table import ENGINES, engine_row
from subpixel.errors import BadInputError
from subpixel.spec import luma_frame

WIDTH, HEIGHT = 64, 48


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "subpixel", "bench", *arguments], capture_output=True, text=True)


def with_broken_litert(bundle: Bundle) -> Bundle:
    """The bundle with a LiteRT variant that is no model, and a copy of the reference that has no evidence."""
    given, wanted = (luma_frame("lr", "float", "NHWC"),), (luma_frame("sr", "float", "NHWC"),)
    data, path = b"no model at all", "litert/model.fp32.tflite"
    broken = replace(
        bundle.reference, id="litert-fp32", target="litert", files=(file_record(path, data),), inputs=given,
        outputs=wanted, source="torch",
    )  # fmt: skip
    return bundle.plus(broken, {path: data}).plus(replace(bundle.reference, id="onnx-untried"), {})


@pytest.fixture(scope="module")
def report(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "tiny.spx"
    save(with_broken_litert(tiny_bundle), path)
    done = run(str(path), "--size", f"{WIDTH}x{HEIGHT}", "--seconds", "0.1", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(report: dict[str, Any], **wanted: str) -> list[dict[str, Any]]:
    return [row for row in report["rows"] if wanted.items() <= row["case"].items()]


def test_every_engine_that_takes_a_variant_has_a_row(report: dict[str, Any], tiny_bundle: Bundle) -> None:
    for row in ENGINES:
        for variant in with_broken_litert(tiny_bundle).manifest.variants:
            assert bool(rows(report, engine=row.name, variant=variant.id)) == (variant.target in row.targets)


def test_a_row_that_ran_has_all_its_figures_and_the_receipt(report: dict[str, Any]) -> None:
    (row,) = rows(report, engine="onnxruntime", variant="onnx-fp32")
    assert row["status"] == "ok", row["reason"]
    figures = row["figures"]
    assert 0 < figures["p50_ms"] <= figures["p90_ms"]
    assert figures["fps"] > 0 and figures["frames"] >= 3 and figures["cold_start_ms"] > figures["p50_ms"]
    assert figures["peak_rss_bytes"] > 10 << 20
    receipt = figures["receipt"]
    assert (receipt["engine"], receipt["provider"]) == ("onnxruntime", "CPUExecutionProvider")
    assert (receipt["variant"], receipt["precision"]) == ("onnx-fp32", "fp32")


def test_openvino_rows_tell_the_precision_that_really_ran(report: dict[str, Any], require: Any) -> None:
    require("openvino")
    (row,) = rows(report, engine="openvino", variant="onnx-fp32")
    assert row["status"] == "ok", row["reason"]
    assert row["figures"]["receipt"]["precision"] in ("fp32", "bf16", "fp16")
    assert row["figures"]["receipt"]["threads"] >= 1


def test_a_broken_variant_is_a_row_with_its_reason(report: dict[str, Any], require: Any) -> None:
    require("litert")
    (row,) = rows(report, engine="litert", variant="litert-fp32")
    assert (row["status"], row["figures"]) == ("failed", None)
    assert "litert" in row["reason"]


def test_an_engine_that_cannot_run_here_is_a_row_with_its_reason(report: dict[str, Any]) -> None:
    absent = [row for row in report["rows"] if not engine_row(row["case"]["engine"]).installed]
    assert all(row["status"] == "skipped" and row["reason"] for row in absent)


def test_a_variant_without_evidence_is_measured_and_marked(report: dict[str, Any]) -> None:
    (untried,) = rows(report, engine="onnxruntime", variant="onnx-untried")
    (tried,) = rows(report, engine="onnxruntime", variant="onnx-fp32")
    assert (untried["status"], untried["case"]["proof"]["trusted"]) == ("ok", False)
    assert tried["case"]["proof"]["trusted"]


def test_bicubic_stands_beside_the_model(report: dict[str, Any]) -> None:
    found = rows(report, engine="bicubic")
    assert {row["case"]["bundle"] for row in found} == {"bicubic-x3"}
    assert [(row["status"], row["reason"]) for row in found] == [("ok", "")] * 2


def test_the_machine_and_the_settings_are_part_of_the_report(report: dict[str, Any]) -> None:
    assert (report["settings"]["width"], report["settings"]["height"]) == (WIDTH, HEIGHT)
    assert report["machine"]["usable_cores"] >= 1 and report["machine"]["arch"]


def test_the_whole_job_is_measured_with_a_trusted_variant(report: dict[str, Any]) -> None:
    (job,) = report["jobs"]
    assert job["status"] == "ok", job["reason"]
    assert job["variant"] in ("onnx-fp32", "onnx-fp32-u8")
    figures = job["figures"]
    assert (figures["frames"], figures["exit_code"]) == (2, 0)
    assert figures["fps"] > figures["frames"] / figures["seconds"] and figures["out_bytes"] > 0
    assert figures["upscale"]["target_size"] == [3 * WIDTH, 3 * HEIGHT]
    assert figures["upscale"]["receipt"]["engine"] == job["engine"]


def test_the_table_is_for_people_and_a_clip_can_be_given(tmp_path: Path) -> None:
    make_clip(tmp_path / "mine.mp4", 32, 24, 0.2)
    done = run("bicubic-x2", "--size", "32x24", "--seconds", "0.05", "--clip", str(tmp_path / "mine.mp4"))
    assert done.returncode == 0, done.stderr
    assert "procedure-fp32-u8" in done.stdout and "mine.mp4" in done.stdout and "whole job" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--size", "640"), "needed width x height"),
        (("--size", "0x48"), "needed width x height"),
        (("--seconds", "0"), "needed more than 0"),
        (("--clip", "no-such-clip.mp4"), "no such file"),
        (("espcn-x99",), "no model 'espcn-x99'"),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr


def test_a_clip_made_on_the_fly_has_the_frames_it_says(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", WIDTH, HEIGHT, 0.5)
    assert count_frames(tmp_path / "clip.mp4") == 12


def test_a_clip_of_odd_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="even sizes"):
        make_clip(tmp_path / "clip.mp4", 33, 24, 0.5)
