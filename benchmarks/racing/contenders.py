"""Who takes part: ours, and the others at their best settings. All encode with x264 veryfast crf 20 and copy the sound.

Where another program can run our nets it does, so that the difference is the program's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from racing.clips import HR, LR, Clip
from racing.peers import SETUP, Peers
from subpixel import catalogue

MODELS = ("edge-fast-x3", "edge-x3", "edge-best-x3", "espcn-x3")
ESPCN = "espcn-x3"
LOOPS = Path(__file__).parent / "loops"
ENCODING = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "copy")
ALL = ("moving", "still", "screen", "noisy")
Command = Callable[[Clip, Path], list[str]]


@dataclass(frozen=True)
class Contender:
    """``absent``: why it can't take part; ``rounds``: fewer than the others', for the slow; ``judged``: has a picture.

    ``warm_up``: it keeps something from run to run (a tuned choice, an index of the clip), made before the race.
    """

    name: str
    system: str
    model: str
    command: Command
    clips: tuple[str, ...] = ("moving",)
    absent: str = ""
    rounds: int | None = None
    judged: bool = True
    warm_up: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def field_of(models: tuple[str, ...], peers: Peers, work: Path) -> list[Contender]:
    """Everybody, in the order of a round; ``work``: a folder for models and caches."""
    here = {name: _onnx(name, work) for name in models if not reason(name)}
    found = [ours(name, work) for name in models]
    found.append(lanczos(peers))
    for name in models:
        found.append(vs_mlrt(name, here.get(name), "ov", "bf16", peers, work, ALL if name == ESPCN else ALL[:2]))
    if ESPCN in here:
        found += [vs_mlrt(ESPCN, here[ESPCN], *settings, peers, work, ALL[:1]) for settings in MORE_SETTINGS]
        found += [plain(ESPCN, here[ESPCN]), by_ncnn(ESPCN, here[ESPCN], peers, work)]
        found += superres(ESPCN, here[ESPCN], peers, work)
    return found


def reason(name: str) -> str:
    """Why a model can't take part; empty where it can."""
    if name in catalogue.shipped_names() or Path(name).exists():
        return ""
    return f"{name} is not in the catalogue"


def ours(name: str, work: Path) -> Contender:
    """``subpixel upscale``, tuned before."""

    def command(clip: Clip, target: Path) -> list[str]:
        encoder = ("--encoder", "libx264", "--encoder-option", "preset=veryfast", "--encoder-option", "crf=20")
        wishes = ("--model", name, *encoder, "--overwrite", "--quiet", "--json")
        return [sys.executable, "-m", "subpixel", "upscale", str(clip.file), str(target), *wishes]

    cache = {"SUBPIXEL_CACHE": str(work / "tuned")}
    return Contender(f"subpixel {name}", "subpixel", name, command, ALL, reason(name), warm_up=True, environment=cache)


def lanczos(peers: Peers) -> Contender:
    """FFmpeg alone: the price of a resize."""

    def command(clip: Clip, target: Path) -> list[str]:
        scale = f"scale={HR[1]}:{HR[0]}:flags=lanczos"
        return [*_quiet(peers), "-i", str(clip.file), "-vf", scale, *ENCODING, str(target)]

    return Contender("ffmpeg lanczos", "ffmpeg", "lanczos", command, ALL, _no_ffmpeg(peers))


MORE_SETTINGS = (("ov", "f32"), ("ort", "f32"))
STREAMS = {"ov": 2, "ort": 1}  # the faster on two cores


def vs_mlrt(
    name: str, onnx: Path | None, engine: str, precision: str, peers: Peers, work: Path, clips: tuple[str, ...]
) -> Contender:
    """VapourSynth, its frames piped into FFmpeg; ``bf16`` is what its OpenVINO takes by itself where the CPU has it."""
    needs = ("vapoursynth/plugins/libbestsource*", f"vapoursynth/plugins/{engine}")
    absent = reason(name) or peers.missing(*needs) or _no_ffmpeg(peers)

    def command(clip: Clip, target: Path) -> list[str]:
        given = {"clip": clip.file, "cache": work / "bestsource", "model": onnx, "engine": engine,
                 "precision": precision, "streams": STREAMS[engine]}  # fmt: skip
        arguments = [word for key, value in given.items() for word in ("--arg", f"{key}={value}")]
        frames = ["vspipe", "-c", "y4m", *arguments, str(LOOPS / "mlrt.vpy"), "-"]
        maps = ["-map", "0:v", "-map", "1:a?"]
        encode = [*_quiet(peers), "-i", "-", "-i", str(clip.file), *maps, *ENCODING, str(target)]
        return piped(frames, encode)

    engine_name = "OpenVINO" if engine == "ov" else "ONNX Runtime"
    title = f"vs-mlrt {engine_name} {precision}, {name}"
    return Contender(title, "vs-mlrt", name, command, clips, absent, warm_up=True, environment=peers.environment)


def plain(name: str, onnx: Path) -> Contender:
    """A loop of PyAV and ONNX Runtime, in the same environment as ours."""

    def command(clip: Clip, target: Path) -> list[str]:
        return [sys.executable, str(LOOPS / "plain.py"), str(onnx), str(clip.file), str(target)]

    return Contender(f"plain PyAV + ONNX Runtime, {name}", "plain", name, command, ALL[:2])


def by_ncnn(name: str, onnx: Path, peers: Peers, work: Path) -> Contender:
    """The same loop with ncnn, the net converted by pnnx."""
    absent = peers.missing("ncnn", "av") or ("" if peers.pnnx else f"pnnx is not installed; {SETUP}")
    files = [work / "ncnn" / f"net.ncnn.{suffix}" for suffix in ("param", "bin")]
    if not absent:
        absent = _to_ncnn(peers.pnnx, onnx, files[0].parent)

    def command(clip: Clip, target: Path) -> list[str]:
        given = [*files, clip.file, target]
        return [str(peers.python), str(LOOPS / "by_ncnn.py"), *map(str, given)]

    return Contender(f"PyAV + ncnn, {name}", "ncnn", name, command, absent=absent, environment=peers.environment)


def superres(name: str, onnx: Path, peers: Peers, work: Path) -> Iterator[Contender]:
    """OpenCV's dnn_superres: with the layers it is used with, for the time, and once with our net, for the picture."""
    absent = peers.missing("cv2") or _no_ffmpeg(peers)

    def command(model: Path, clip: Clip, target: Path) -> list[str]:
        given = [model, peers.ffmpeg, clip.file, target]
        return [str(peers.python), str(LOOPS / "by_superres.py"), *map(str, given)]

    for title, as_published in (("its ESPCN's layers", True), (name, False)):
        file = work / "superres" / f"{name}{'-relu' if as_published else ''}.pb"
        why = absent or _to_tensorflow(onnx, file, as_published)
        yield Contender(
            f"OpenCV dnn_superres, {title}", "dnn_superres", "" if as_published else name, partial(command, file),
            absent=why, rounds=None if as_published else 1, judged=not as_published, environment=peers.environment,
        )  # fmt: skip


def piped(first: list[str], second: list[str]) -> list[str]:
    """Two commands as one, which fails where either does."""
    script = 'set -o pipefail; n=$1; shift; first=("${@:1:n}"); "${first[@]}" | "${@:n+1}"'
    return ["bash", "-c", script, "bash", str(len(first)), *first, *second]


def _quiet(peers: Peers) -> list[str]:
    return [peers.ffmpeg, "-nostdin", "-y", "-loglevel", "error"]


def _no_ffmpeg(peers: Peers) -> str:
    return "" if peers.ffmpeg else f"there is no ffmpeg; {SETUP}"


def _onnx(name: str, work: Path) -> Path:
    """The float graph of a bundle as a file for others."""
    bundle = catalogue.find(name)
    file = work / "onnx" / f"{bundle.spec.name}.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bundle.blobs(bundle.reference)[0])
    return file


def _to_ncnn(pnnx: str, onnx: Path, folder: Path) -> str:
    """Convert; why it failed, empty where it didn't. pnnx writes beside its input."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "net.onnx"
    copy.write_bytes(onnx.read_bytes())
    size = f"inputshape=[1,1,{LR[0]},{LR[1]}]"
    result = subprocess.run([pnnx, copy.name, size], cwd=folder, capture_output=True, text=True, check=False)
    made = (folder / "net.ncnn.param").is_file()
    return "" if made else f"pnnx can't convert it: {result.stderr.strip()[-200:]}"


def _to_tensorflow(onnx: Path, file: Path, as_published: bool) -> str:
    """Convert; why it failed, empty where it didn't."""
    try:
        from racing.tf_graph import NotAChain, frozen
    except ModuleNotFoundError as fault:
        return f"the package {fault.name} is needed to convert the net"
    try:
        data = frozen(onnx.read_bytes(), as_published)
    except NotAChain as fault:
        return f"dnn_superres takes plain chains: {fault}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return ""
