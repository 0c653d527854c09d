"""Where the CPU time of `subpixel upscale` goes: decoding, chroma, the engine, encoding, and Python with its copies.

    python benchmarks/profile_video.py samples/stream_640x360.mp4 --model espcn-x3 --json profile.json

CPU time, not time by the clock, so that other processes disturb it less. The work is `subpixel.media.upscale_file`, as
the command does it, after the engine was opened and warmed up. Library calls are timed by their thread's own clock;
the libraries' own threads by the kernel's account (Linux), read every few milliseconds, for some end before the work
does. All that Python's threads spend outside of library calls is Python and its copies; numpy's work is in it. The
few lines of Python around an engine's own call (`runtime/engines/`) count as the engine's.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import subpixel
from subpixel.engines.checked import CheckedEngine
from subpixel.media import UpscaleOptions, upscale_file
from subpixel.media.pipeline import Pipeline
from subpixel.media.probe import probe
from subpixel.media.reader import Reader
from subpixel.media.scaling import Scaler
from subpixel.media.writer import Writer
from subpixel.model import Model

TASKS = Path("/proc/self/task")
LOOK_SECONDS = 0.02
STAGES = ("decode", "chroma", "engine", "encode")
DECODER_THREAD = "av:"  # how libavcodec calls its own


@dataclass(frozen=True)
class Profile:
    """CPU milliseconds a frame; ``share``: of Python and copies. ``fps``: by the clock, and so disturbed by others."""

    clip: str
    model: str
    engine: str
    variant: str
    streams: int
    frames: int
    fps: float
    decode: float
    chroma: float
    engine_ms: float
    encode: float
    python: float
    total: float
    share: float


class Account:
    """CPU seconds of library calls, by stage. Each thread adds to its own counter, so that none is lost."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._counters: list[Counter[str]] = []

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its thread's CPU time put on the stage's account."""

        def call(*given: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return work(*given, **named)
            finally:
                self._add(stage, time.thread_time() - started)

        return call

    def _add(self, stage: str, seconds: float) -> None:
        if not hasattr(self._local, "counter"):
            self._local.counter = Counter()
            self._counters.append(self._local.counter)
        self._local.counter[stage] += seconds

    @property
    def seconds(self) -> Counter[str]:
        """So far, of all threads."""
        return sum(self._counters, Counter())


class Timed:
    """An object of a library, some of its methods timed."""

    def __init__(self, inner: Any, account: Account, stage: str, methods: tuple[str, ...]) -> None:
        self._inner = inner
        for name in methods:
            setattr(self, name, account.timed(stage, getattr(inner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class TimedSource(Timed):
    """A container whose demuxing, which is a generator, is timed packet by packet."""

    def __init__(self, inner: Any, account: Account) -> None:
        super().__init__(inner, account, "decode", ())
        self._account = account

    def demux(self, streams: Any) -> Any:
        step = self._account.timed("decode", self._inner.demux(streams).__next__)
        while True:
            try:
                packet = step()
            except StopIteration:
                return
            yield packet


class Watch(threading.Thread):
    """CPU seconds of every thread of the process, while they live."""

    def __init__(self) -> None:
        super().__init__(name="watch", daemon=True)
        self.seconds: dict[int, float] = {}
        self.names: dict[int, str] = {}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Now."""
        for task in TASKS.iterdir():
            try:
                spent = int((task / "schedstat").read_text().split()[0]) / 1e9
                name = (task / "comm").read_text().strip()
            except (OSError, IndexError):  # it ended just now
                continue
            self.seconds[int(task.name)], self.names[int(task.name)] = spent, name

    def stop(self) -> None:
        """For the last time."""
        self._over.set()
        self.join()
        self.look()
        self.seconds.pop(self.native_id or 0, None)


def instrument(account: Account) -> None:
    """Time the calls of the libraries, wherever the pipeline makes them."""
    after(Scaler, "__init__", lambda scaler: put(scaler, "_graph", Timed(
        scaler._graph, account, "chroma", ("vpush", "vpull"))))  # fmt: skip
    after(Reader, "__post_init__", lambda reader: time_reader(reader, account))
    after(Writer, "open", lambda writer: time_writer(writer, account))


def after(owner: type, method: str, then: Callable[[Any], None]) -> None:
    """Do something to the object when a method of it is done."""
    plain = getattr(owner, method)

    def both(self: Any, *given: Any, **named: Any) -> None:
        plain(self, *given, **named)
        then(self)

    setattr(owner, method, both)


def put(thing: Any, name: str, value: Any) -> None:
    setattr(thing, name, value)


def time_reader(reader: Any, account: Account) -> None:
    reader._stream = Timed(reader._stream, account, "decode", ("decode",))
    reader.container = TimedSource(reader.container, account)


def time_writer(writer: Any, account: Account) -> None:
    writer._video = Timed(writer._video, account, "encode", ("encode",))
    writer._output = Timed(writer._output, account, "encode", ("mux", "close"))


def time_engine(model: Model, account: Account) -> None:
    for engine in model._engines.values():
        assert isinstance(engine, CheckedEngine)
        put(engine, "_engine", Timed(engine._engine, account, "engine", ("run",)))


def warm_up(model: Model, height: int, width: int) -> None:
    """So that the library's threads are there, and what it compiles for a size is compiled."""
    frame = np.full((height, width), 128, np.uint8)
    with ThreadPoolExecutor(model.receipt.streams) as pool:
        list(pool.map(model.upscale_luma, [frame] * 4 * model.receipt.streams))


class Session:
    """One run of the pipeline, watched from its start to its end."""

    def __init__(self, account: Account) -> None:
        self.account, self.watch = account, Watch()
        self.python: set[int] = set()
        self.engines: set[int] = set()

    def around(self, work: Callable[[Pipeline], Any]) -> Callable[[Pipeline], Any]:
        """``Pipeline.run`` with the watch on."""

        def watched(pipeline: Pipeline) -> Any:
            self.watch.look()
            self.before = dict(self.watch.seconds)
            self.watch.start()
            try:
                return work(pipeline)
            finally:
                self.watch.stop()

        return watched

    def spent(self) -> dict[int, float]:
        """CPU seconds of each thread while the pipeline ran."""
        return {task: total - self.before.get(task, 0.0) for task, total in self.watch.seconds.items()}


def native_threads() -> set[int]:
    known = {thread.native_id for thread in threading.enumerate()}
    return {int(task.name) for task in TASKS.iterdir()} - known


def remember_python_threads(session: Session) -> None:
    """Every thread that Python starts from here on tells its number."""
    plain = threading.Thread.run

    def run(self: threading.Thread) -> None:
        session.python.add(threading.get_native_id())
        plain(self)

    threading.Thread.run = run  # type: ignore[method-assign]
    session.python.add(threading.get_native_id())


def stage_of(task: int, session: Session) -> str:
    """Whose a library's thread is."""
    if task in session.engines:
        return "engine"
    return "decode" if session.watch.names[task].startswith(DECODER_THREAD) else "encode"


def by_stage(session: Session) -> Counter[str]:
    """CPU seconds of each stage, and ``python``."""
    spent, found = session.spent(), Counter(session.account.seconds)
    for task, seconds in spent.items():
        if task not in session.python:
            found[stage_of(task, session)] += seconds
    in_python = sum(seconds for task, seconds in spent.items() if task in session.python)
    found["python"] = max(in_python - session.account.seconds.total(), 0.0)
    return found


def profile(clip: Path, options: argparse.Namespace) -> Profile:
    """Enlarge the clip once."""
    session = Session(Account())
    instrument(session.account)
    remember_python_threads(session)
    width, height = probe(clip).video.size
    others = native_threads()
    with subpixel.open(
        options.model, engine=options.engine, precision=options.precision, tune=True, frame_size=(height, width),
        streams=options.streams,
    ) as model:  # fmt: skip
        warm_up(model, height, width)
        session.engines = native_threads() - others
        time_engine(model, session.account)
        Pipeline.run = session.around(Pipeline.run)  # type: ignore[method-assign,assignment]
        with tempfile.TemporaryDirectory() as folder:
            wanted = UpscaleOptions(encoder_options=(("preset", "veryfast"), ("crf", "20")))
            report: Any = upscale_file(clip, Path(folder, f"larger{clip.suffix}"), wanted, model=model)
    per_frame = {stage: 1000 * seconds / report.frames_out for stage, seconds in by_stage(session).items()}
    total = sum(per_frame.values())
    return Profile(
        clip.name, report.model, report.receipt.engine, report.receipt.variant, report.receipt.streams,
        report.frames_out, report.fps, *(per_frame.get(stage, 0.0) for stage in STAGES), per_frame["python"], total,
        per_frame["python"] / total,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="espcn-x3")
    parser.add_argument("--engine")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--streams", type=int, default=0, help="frames in the model at once; 0: the fastest")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not TASKS.is_dir():
        parser.error(f"found no {TASKS}: the kernel's account of threads is needed, which Linux has")
    found = profile(options.clip, options)
    print(f"{found.model} by {found.engine} ({found.variant}, {found.streams} streams), {found.frames} frames")
    for name in ("decode", "chroma", "engine_ms", "encode", "python", "total"):
        print(f"  {name.removesuffix('_ms'):8s} {getattr(found, name):7.2f} ms of CPU a frame")
    share = f"{100 * found.share:.1f} % of the CPU time"
    print(f"  Python and copies: {share}; {found.fps:.1f} frames/s, {os.cpu_count()} cores")
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=1) + "\n")


if __name__ == "__main__":
    main()
