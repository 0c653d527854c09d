"""Three stages side by side: decoding and bicubic, the model, encoding.

Their libraries let go of the interpreter's lock. The model runs in the caller's thread, so that an interrupt reaches
it. Memory is bounded by the two channels: nothing large is made before there is room for it. A stage that fails stops
the others, and its error is the one raised.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from av.packet import Packet
from av.video.frame import VideoFrame

from subpixel.media.channel import Channel, Stopped
from subpixel.media.deinterlace import Deinterlacer
from subpixel.media.enlarge import Enlarger, Prepared, Preparer
from subpixel.media.reader import Item, Reader
from subpixel.media.sink import Sink

ROOM_BYTES = 48 << 20  # a channel's
ROOM_FRAMES = 2  # more were not faster


@dataclass
class Clock:
    """Seconds spent in each stage, waiting not counted."""

    decode: float = 0.0
    chroma: float = 0.0
    model: float = 0.0
    encode: float = 0.0

    @contextlib.contextmanager
    def on(self, stage: Literal["decode", "chroma", "model", "encode"]) -> Iterator[None]:
        """Put the time of a block on the stage's account."""
        started = time.perf_counter()
        yield
        setattr(self, stage, getattr(self, stage) + time.perf_counter() - started)


@dataclass
class Pipeline:
    """Everything a run needs, each part used by one thread only. ``pace`` is called before a frame is handed on."""

    reader: Reader
    deinterlacer: Deinterlacer
    preparer: Preparer
    enlarger: Enlarger
    writer: Sink
    progress: Callable[[int], None]
    pace: Callable[[], None] | None = None

    def run(self) -> tuple[int, Clock]:
        """Work through the file; gives the number of frames and the times."""
        self._frame_bytes = 4 * self.writer.frame_pixels
        room = max(1, min(ROOM_BYTES, ROOM_FRAMES * self._frame_bytes))
        self.clock, self._stopped = Clock(), False
        self._faults: list[BaseException] = []
        self._decoded: Channel[Prepared | Packet[Any]] = Channel(room)
        self._enlarged: Channel[VideoFrame | Packet[Any]] = Channel(room)
        threads = [self._thread(self._decode, "decode"), self._thread(self._encode, "encode")]
        count = 0
        try:
            for thread in threads:
                thread.start()
            with contextlib.suppress(Stopped):
                count = self._enlarge()
        except BaseException:
            self._stop()
            raise
        finally:
            _join(threads)
            self.enlarger.close()
        if self._faults:
            raise self._faults[0]
        return count, self.clock

    def _thread(self, work: Callable[[], None], name: str) -> threading.Thread:
        def guarded() -> None:
            try:
                if not self._stopped:
                    work()
            except Stopped:
                pass
            except BaseException as fault:
                self._faults.append(fault)
                self._stop()

        return threading.Thread(target=guarded, name=f"subpixel-{name}", daemon=True)

    def _stop(self) -> None:
        self._stopped = True
        self._decoded.stop()
        self._enlarged.stop()

    def _decode(self) -> None:
        for item in self._read():
            if isinstance(item, Packet):
                self._decoded.put(item, item.size)
                continue
            with self.clock.on("decode"):
                frames = list(self.deinterlacer.push(item))
            self._prepare(frames, item)
        self._prepare(self.deinterlacer.flush())
        self._decoded.end()

    def _read(self) -> Iterator[Item]:
        items = self.reader.items()
        while True:
            with self.clock.on("decode"):
                item = next(items, None)
            if item is None:
                return
            yield item

    def _prepare(self, frames: Iterable[VideoFrame], decoded: VideoFrame | None = None) -> None:
        """``decoded``: the one that comes from the decoder as it is, if it is among them."""
        for frame in frames:
            self._decoded.wait_for_room(self._frame_bytes)
            with self.clock.on("chroma"):
                prepared = self.preparer(frame, frame is decoded)
            if self.pace is not None:
                self.pace()
            self._decoded.put(prepared, self._frame_bytes)

    def _enlarge(self) -> int:
        count = 0
        for item in self._decoded:
            if isinstance(item, Packet):
                self._enlarged.put(item, item.size)
                continue
            self._enlarged.wait_for_room(self._frame_bytes)
            with self.clock.on("model"):
                frames = self.enlarger.push(item)
            count = self._hand_over(frames, count)
        with self.clock.on("model"):
            frames = self.enlarger.flush()
        count = self._hand_over(frames, count)
        self._enlarged.end()
        return count

    def _hand_over(self, frames: list[VideoFrame], count: int) -> int:
        """To the encoder; gives the number of frames up to now."""
        for frame in frames:
            self._enlarged.put(frame, self._frame_bytes)
            count += 1
            self.progress(count)
        return count

    def _encode(self) -> None:
        for item in self._enlarged:
            with self.clock.on("encode"):
                if isinstance(item, Packet):
                    self.writer.copy(item)
                else:
                    self.writer.encode(item)
        with self.clock.on("encode"):
            self.writer.finish()


def _join(threads: list[threading.Thread]) -> None:
    """Wait for all, however often Ctrl-C comes: FFmpeg's objects must not be closed under a thread that uses them."""
    for thread in threads:
        while thread.is_alive():
            with contextlib.suppress(KeyboardInterrupt):
                thread.join()
