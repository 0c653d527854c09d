"""The clips: made at run time into a folder that git ignores, from the evaluation data (read in place) or the samples.

Where there is an original, the clip is that reduced by 3 with the project's own bicubic, and the luma of some of its
frames is kept to measure against. Every clip is 640x360, H.264, with sound.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from subpixel.quality.resize import resize

SCALE = 3
LR, HR = (360, 640), (1080, 1920)
EVERY, MOST_ORIGINALS = 10, 12  # frames from one kept original to the next
FPS, SOUND_HZ = 25, 48000
CRF = "18"
NOISE_SIGMA = 4.0
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SUBPIXEL_DATA") or ROOT.parent / "shared" / "data")
STREET, BOTTLES = "train/video/openh264_street_1920x1080.264", "train/video/intel_bottle-detection_640x360.mp4"
SAMPLE, SAMPLE_FRAME, SAMPLE_ORIGINAL = "stream_640x360.mp4", 40, "stream_frame40_1920x1080.webp"

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]


@dataclass(frozen=True)
class Clip:
    """``originals``: luma ``[1080, 1920]`` by the frame's number, to be compared with the result."""

    name: str
    file: Path
    frames: int
    source: str
    originals: dict[int, Path]


@dataclass(frozen=True)
class Recipe:
    """How a clip comes to be; ``needs``: a file of the evaluation data."""

    name: str
    source: str
    make: Callable[[Path, int], dict[int, Path]]
    needs: str = ""

    @property
    def absent(self) -> str:
        """Why it can't be made; empty where it can."""
        if self.needs and not (DATA / self.needs).is_file():
            return f"{self.needs} of the evaluation data is not here (SUBPIXEL_DATA names their folder)"
        return ""


def made(recipe: Recipe, folder: Path, frames: int) -> Clip:
    """The clip, made where it isn't there yet."""
    file = folder / f"{recipe.make.__name__}-{frames}.mp4"
    kept = {int(one.stem): one for one in sorted((folder / file.stem).glob("*.npy"))}
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.mp4")
        kept = recipe.make(part, frames)
        part.replace(file)
    return Clip(recipe.name, file, frames, recipe.source, kept)


def to_and_fro(number: int, length: int) -> int:
    """Which of ``length`` frames stands at ``number`` where they are played to the end and back, without a cut.

    >>> [to_and_fro(number, 3) for number in range(7)]
    [0, 1, 2, 1, 0, 1, 2]
    """
    if length == 1:
        return 0
    at = number % (2 * length - 2)
    return at if at < length else 2 * length - 2 - at


def reduced(planes: Planes) -> Planes:
    """4:2:0 planes a third as large on each side, rounded to 8 bit."""
    return tuple(_levels(_third(plane)) for plane in planes)  # type: ignore[return-value]


def _third(plane: Plane) -> NDArray[np.float32]:
    height, width = plane.shape
    smaller: NDArray[np.float32] = resize(plane.astype(np.float32), height // SCALE, width // SCALE)
    return smaller


def _levels(plane: NDArray[np.float32]) -> Plane:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def moving(part: Path, frames: int) -> dict[int, Path]:
    """A moving camera: the street, to and fro."""
    return _from_originals(part, frames, lambda number: _street()[0][number], len(_street()[0]))


def noisy(part: Path, frames: int) -> dict[int, Path]:
    """The same with noise, compared with the clean original."""
    rng = np.random.default_rng(0)

    def with_noise(planes: Planes) -> Planes:
        luma = planes[0].astype(np.float32)
        return _levels(luma + rng.normal(0, NOISE_SIGMA, luma.shape).astype(np.float32)), *planes[1:]

    return _from_originals(part, frames, lambda number: _street()[0][number], len(_street()[0]), with_noise)


def screen(part: Path, frames: int) -> dict[int, Path]:
    """A made-up desktop: still text, a page that is scrolled now and then, a cursor."""
    return _from_originals(part, frames, lambda number: planes_of(drawn_screen(number)), frames, cyclic=False)


def still(part: Path, frames: int) -> dict[int, Path]:
    """A fixed camera with little motion, its packets as they are: what didn't change is coded as unchanged."""
    with av.open(str(DATA / BOTTLES)) as source, av.open(str(part), "w") as target:
        given = source.streams.video[0]
        stream = target.add_stream_from_template(given)
        sound = Sound(target)
        for packet in islice((p for p in source.demux(given) if p.dts is not None), frames):
            packet.stream = stream
            target.mux(packet)
        assert given.average_rate is not None
        sound.write(float(frames / given.average_rate))
    return {}


def sample(part: Path, frames: int) -> dict[int, Path]:
    """The clip that comes with the repository, from its beginning again where it is too short."""
    stills = list(decoded(ROOT / "samples" / SAMPLE))
    with Writer(part) as writer:
        for number in range(frames):
            writer.add(stills[to_and_fro(number, len(stills))])
    if frames <= SAMPLE_FRAME:
        return {}
    with Image.open(ROOT / "samples" / SAMPLE_ORIGINAL) as picture:
        return {SAMPLE_FRAME: keep(part, SAMPLE_FRAME, planes_of(picture)[0])}


MOVING = Recipe("moving", "openh264's street, 1920x1080, to and fro", moving, STREET)
RECIPES = (
    MOVING,
    Recipe("still", "Intel's bottle-detection, 640x360, as it is", still, BOTTLES),
    Recipe("screen", "a drawn desktop with scrolled text and a cursor", screen),
    Recipe("noisy", f"the street with Gaussian noise, sigma {NOISE_SIGMA:g}", noisy, STREET),
)
SHIPPED = Recipe("moving", "samples/stream_640x360.mp4, to and fro", sample)


def available() -> tuple[Recipe, ...]:
    """The recipes; without the evaluation data the shipped sample stands for the moving one."""
    return (SHIPPED, *RECIPES[1:]) if MOVING.absent else RECIPES


def _from_originals(
    part: Path, frames: int, original: Callable[[int], Planes], length: int,
    change: Callable[[Planes], Planes] = lambda planes: planes, cyclic: bool = True,
) -> dict[int, Path]:  # fmt: skip
    kept, smaller = {}, {}
    with Writer(part) as writer:
        for number in range(frames):
            at = to_and_fro(number, length) if cyclic else number
            if at not in smaller:
                smaller[at] = reduced(original(at))
            if number % EVERY == 0 and len(kept) < MOST_ORIGINALS:
                kept[number] = keep(part, number, original(at)[0])
            writer.add(change(smaller[at]))
            if not cyclic:
                smaller.clear()
    return kept


def keep(part: Path, number: int, luma: Plane) -> Path:
    """Write an original's luma to its place beside the clip."""
    folder = part.with_name(part.name.removesuffix(".part.mp4"))
    folder.mkdir(exist_ok=True)
    file = folder / f"{number:05}.npy"
    np.save(file, luma)
    return file


def _street(loaded: list[list[Planes]] = []) -> list[list[Planes]]:  # noqa: B006  # read once
    if not loaded:
        loaded.append(list(decoded(DATA / STREET)))
    return loaded


def decoded(file: Path) -> Iterator[Planes]:
    """Frames as limited-range 4:2:0."""
    with av.open(str(file)) as source:
        for frame in source.decode(video=0):
            yield planes_in(frame.reformat(format="yuv420p", dst_color_range="MPEG"))


def planes_in(frame: VideoFrame) -> Planes:
    """Copies of a 4:2:0 frame's planes."""
    return tuple(
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
        for plane in frame.planes
    )  # type: ignore[return-value]


def planes_of(picture: Image.Image) -> Planes:
    """An RGB picture as limited-range BT.709 planes."""
    frame = VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")
    return planes_in(frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"))


def fill(frame: VideoFrame, planes: Planes) -> VideoFrame:
    """Write planes into a frame of their size."""
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = values
    return frame


class Sound:
    """A quiet sine beside the pictures."""

    def __init__(self, container: Any) -> None:
        self._container, self._stream = container, container.add_stream("aac", rate=SOUND_HZ)

    def write(self, seconds: float) -> None:
        """All of it, and the end."""
        for start in range(0, round(seconds * SOUND_HZ), 1024):
            wave = 0.1 * np.sin(2 * np.pi * 330 / SOUND_HZ * np.arange(start, start + 1024, dtype=np.float32))
            frame = AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
            self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))


class Writer:
    """An H.264 file of planes, tagged BT.709, with sound."""

    def __init__(self, file: Path, fps: int = FPS, preset: str = "veryfast") -> None:
        self._container = av.open(str(file), "w")
        self._fps, self._preset, self._frames = fps, preset, 0
        self._stream: Any = None
        self._sound = Sound(self._container)

    def add(self, planes: Planes) -> None:
        """One more frame; the first one's size is the file's."""
        height, width = planes[0].shape
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._fps)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"preset": self._preset, "crf": CRF, "colorprim": "bt709", "colormatrix": "bt709"}
        frame = fill(VideoFrame(width, height, "yuv420p"), planes)
        frame.pts, frame.time_base = self._frames, Fraction(1, self._fps)
        self._frames += 1
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._sound.write(self._frames / self._fps)
        self._container.close()


WORDS = (
    "frame", "plane", "luma", "chroma", "tile", "halo", "rung", "clip", "scale", "deadline", "receipt", "decode",
    "encode", "kernel", "phase", "border",
)  # fmt: skip


def drawn_screen(number: int) -> Image.Image:
    """One frame, 1920x1080: a list that stands, a page scrolled for a second in three, a cursor on its way."""
    picture = Image.new("RGB", (HR[1], HR[0]), (236, 238, 242))
    draw = ImageDraw.Draw(picture)
    for line in range(34):
        draw.text((24, 75 + 29 * line), _words(line, 3), fill=(70, 80, 96), font_size=19)
    draw.rectangle((480, 54, 1920, 1080), fill="white")
    scrolled = 6 * sum(at % (3 * FPS) < FPS for at in range(number))
    for line in range(scrolled // 32, scrolled // 32 + 34):
        draw.text((520, 66 + 32 * line - scrolled), _words(1000 + line, 13), fill=(20, 20, 24), font_size=21)
    draw.rectangle((0, 0, 1920, 54), fill=(44, 62, 90))
    draw.text((24, 12), "Benchmarks - a drawn desktop", fill="white", font_size=26)
    x, y = 900 + round(700 * np.sin(number / 21)), 560 + round(380 * np.sin(number / 13))
    draw.polygon([(x, y), (x, y + 27), (x + 8, y + 20), (x + 19, y + 20)], fill="black", outline="white")
    return picture


def _words(seed: int, count: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count))
