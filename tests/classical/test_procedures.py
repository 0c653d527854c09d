"""The classical methods as models: found by name, opened, run in both kinds, in tiles, over frames, from the shell."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import subpixel
from subpixel.bundle import Bundle, load, save
from subpixel.catalogue import classical_bundle, find, procedure_names
from subpixel.choice import Wish, candidates
from subpixel.classical.methods import METHODS, Method, method
from subpixel.cli.main import cli
from subpixel.engines.base import Request
from subpixel.engines.procedure import ProcedureEngine
from subpixel.errors import EngineError, MissingPackageError, NotFoundError
from subpixel.manifest import check

Require = Callable[[str], None]


def named(row: Method) -> str:
    return row.name


def require_for(row: Method, require: Require) -> None:
    if row.name == "fusion-flow":
        require("cv2")


def levels(*shape: int) -> Any:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def test_every_method_is_listed_at_the_scales_it_has() -> None:
    names = procedure_names()
    assert names[:3] == ["bicubic-x2", "bicubic-x3", "bicubic-x4"]
    assert {"lanczos-x2", "nedi-x4", "backprojection-x3", "fusion-x3", "fusion-flow-x4"} <= set(names)
    assert [find(name).spec.name for name in names] == names


@pytest.mark.parametrize("name", ["nedi-x5", "fusion-x1", "lanczos-x17", "fusion-phase-x3", "nedi", "lanczos-x03"])
def test_names_that_there_are_not_get_the_nearest(name: str) -> None:
    if name == "lanczos-x03":
        assert find(name).spec.name == "lanczos-x3"
        return
    with pytest.raises(NotFoundError, match="did you mean"):
        find(name)


@pytest.mark.parametrize("row", METHODS, ids=named)
def test_its_bundle_is_sound_and_survives_saving(row: Method, tmp_path: Path) -> None:
    bundle = classical_bundle(row, 3)
    check(bundle.manifest, row.name)
    save(bundle, tmp_path / "saved.spx")
    again = load(tmp_path / "saved.spx")
    assert (again.spec, again.manifest.variants) == (bundle.spec, bundle.manifest.variants)
    assert again.files == bundle.files


@pytest.mark.parametrize("row", METHODS, ids=named)
def test_both_kinds_give_the_same_picture(row: Method, require: Require) -> None:
    require_for(row, require)
    bundle = classical_bundle(row, 2)
    frames = levels(1, row.window, 20, 24)
    by_kind = {}
    for candidate in candidates(bundle, Wish()):
        engine = candidate.open()
        given = frames if engine.variant.kind == "u8" else frames.astype(np.float32) / np.float32(255)
        by_kind[engine.variant.kind] = engine.run({"lr": given})["sr"]
        assert engine.receipt.detail == row.name
    assert by_kind["u8"].shape == by_kind["float"].shape == (1, 1, 40, 48)
    rounded = np.clip(np.rint(by_kind["float"] * 255), 0, 255)
    assert np.array_equal(by_kind["u8"], rounded)


@pytest.mark.parametrize("name", ["lanczos-x3", "nedi-x2", "backprojection-x2"])
def test_tiles_do_not_show(name: str) -> None:
    image = levels(90, 100)
    with subpixel.open(name) as model:
        whole = model.upscale(image)
        model.tile_px = 64
        tiled = model.upscale(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_video_is_fused_over_five_frames_repeated_at_its_ends() -> None:
    y, x = np.mgrid[0:16, 0:18]
    frames = [np.rint(120 + 50 * np.sin((x + 0.3 * at) / 3) * np.cos(y / 4)).astype(np.uint8) for at in range(4)]
    fuse = method("fusion").build(2)
    with subpixel.open("fusion-x2") as model:
        results = list(model.upscale_video(frames))
    assert len(results) == len(frames)
    for at, result in enumerate(results):
        window = np.stack([frames[min(max(k, 0), 3)] for k in range(at - 2, at + 3)])
        wanted = np.clip(np.rint(fuse(window.astype(np.float32) / np.float32(255)) * 255), 0, 255)
        assert np.array_equal(result, wanted)


def test_dense_flow_without_opencv_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cv2" else find_spec(name))
    with pytest.raises(MissingPackageError, match=r"OpenCV.*pip install 'subpixel\[classical\]'"):
        subpixel.open("fusion-flow-x3")
    assert "fusion-flow-x3" in procedure_names()


def without(bundle: Bundle, **changes: Any) -> tuple[Any, ...]:
    variant = bundle.manifest.variants[0]
    return bundle.blobs(variant), replace(variant, **changes), bundle.spec, Request()


@pytest.mark.parametrize("data", [b'{"procedure": "sharpen"}', b'{"network": "nedi"}', b"[]", b""])
def test_a_file_that_names_no_method_is_refused(data: bytes) -> None:
    _, variant, spec, request = without(find("nedi-x2"))
    with pytest.raises((EngineError, NotFoundError), match=r"nedi"):
        ProcedureEngine((data,), variant, spec, request)


def test_a_manifest_that_says_other_tensors_than_the_method_has_is_refused() -> None:
    with pytest.raises(EngineError, match="other tensors"):
        ProcedureEngine(*without(find("fusion-x2"), inputs=find("nedi-x2").manifest.variants[0].inputs))


def test_bicubic_by_name_stands_in_for_a_classical_method() -> None:
    with subpixel.open("nedi-x2", engine="bicubic") as model:
        assert model.receipt.engine == "bicubic"


def test_the_command_line_enlarges_a_picture_by_name(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(levels(24, 30, 3)).save(tmp_path / "small.png")
    arguments = ["upscale", str(tmp_path / "small.png"), str(tmp_path / "large.png"), "--model", "nedi-x3"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert Image.open(tmp_path / "large.png").size == (90, 72)


@pytest.mark.parametrize("name", ["fusion-x2", "fusion-block-x3", "fusion-diamond-x2", "fusion-flow-x2"])
def test_the_command_line_plays_a_clip_by_each_fusion(name: str, tmp_path: Path, require: Require) -> None:
    import av

    if "flow" in name:
        require("cv2")
    clip, result = tmp_path / "clip.mp4", tmp_path / "large.mp4"
    write_clip(clip)
    called = CliRunner().invoke(cli, ["upscale", str(clip), str(result), "--model", name])
    assert called.exit_code == 0, called.output
    scale = int(name[-1])
    with av.open(str(result)) as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(48 * scale, 32 * scale)] * 6


def write_clip(path: Path) -> None:
    """Six frames of a pattern that moves a third of a pixel at a time."""
    import av

    y, x = np.mgrid[0:32, 0:48]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for at in range(6):
            grey = np.rint(120 + 60 * np.sin((x + at / 3) / 2) * np.cos(y / 3)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
