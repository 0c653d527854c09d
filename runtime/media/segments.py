"""The folder ``OUT.part`` of a job that can be taken up again: what is made, of what, and which segments are finished.

It holds ``job.json`` and one packet log for each finished segment. A segment counts once it stands in ``job.json``,
which is replaced as a whole: whenever the work is killed, the folder is that of some finished segment.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from subpixel.errors import BadInputError, OutputError
from subpixel.media.faults import writing_fault
from subpixel.records import RecordError, from_json, to_json

RECORD_VERSION = 1
HEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Segment:
    """``first``: pts of its first frame, ``following``: of the first one after it, ``None`` at the video's end.

    In the input's own ticks. ``sha256``: of the packet log; ``extradata``: the encoder's headers, as hexadecimal;
    ``decode`` to ``encode``: seconds of the stages; ``scene_cuts``: counted from the segment's first frame.
    """

    first: int
    following: int | None
    frames: int
    sha256: str
    extradata: str
    seconds: float
    decode: float = 0.0
    chroma: float = 0.0
    model: float = 0.0
    encode: float = 0.0
    broken_frames: int = 0
    failed_decodes: int = 0
    deinterlaced: int = 0
    scene_cuts: tuple[int, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Job:
    """``identity``: what the result depends on, by name; ``result``: size and head of the finished file, once it is."""

    version: int
    identity: dict[str, str]
    segments: tuple[Segment, ...] = ()
    result: str = ""

    @property
    def frames(self) -> int:
        """In finished segments."""
        return sum(segment.frames for segment in self.segments)

    @property
    def is_complete(self) -> bool:
        """Whether the last segment of the video is there."""
        return bool(self.segments) and self.segments[-1].following is None


@dataclass
class JobFolder:
    """``target``: the file that is made."""

    target: Path
    job: Job = field(default_factory=lambda: Job(RECORD_VERSION, {}))

    @property
    def path(self) -> Path:
        """``OUT.part``, beside it."""
        place = Path(os.path.realpath(self.target))
        return place.with_name(place.name + ".part")

    def log_path(self, number: int) -> Path:
        """Of the segment with this number, from 0."""
        return self.path / f"{number:06}.packets"

    @property
    def fresh_log_path(self) -> Path:
        """Of the segment that is being made."""
        return self.path / "fresh.packets"

    @property
    def fresh_path(self) -> Path:
        """Of the file that is being put together."""
        return self.path / f"whole{self.target.suffix}"

    def begin(self, identity: dict[str, str]) -> None:
        """Take up the job, or start it. Raises ``BadInputError`` when that in the folder is another one."""
        found = self.load()
        if found is not None:
            self._refuse_other(found.identity, identity)
            self.fresh_path.unlink(missing_ok=True)
            return
        self.job = Job(RECORD_VERSION, identity)
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as fault:
            raise writing_fault(self.path, fault) from fault
        self._save()

    def load(self) -> Job | None:
        """What is there, if anything. Raises ``BadInputError`` for what is no such job."""
        record = self.path / "job.json"
        if not record.exists():
            if self.path.exists() and any(p.name != "job.json.fresh" for p in self.path.iterdir()):
                raise OutputError(f"{self.path} is not a job of --resume; rename or remove it")
            return None
        try:
            found = from_json(Job, json.loads(record.read_text()))
        except (RecordError, ValueError, OSError) as fault:
            raise BadInputError(f"{record} can't be read ({fault}); remove {self.path} to begin anew") from fault
        if found.version != RECORD_VERSION:
            raise BadInputError(f"{self.path} was begun by another version of subpixel; remove it to begin anew")
        self.job = found
        return found

    def _refuse_other(self, before: dict[str, str], now: dict[str, str]) -> None:
        for name in dict.fromkeys((*before, *now)):
            old, new = before.get(name, "not given"), now.get(name, "not given")
            if old != new:
                raise BadInputError(
                    f"{self.path} was begun with another {name}: {old}, and now it is {new}; give the same as before, "
                    f"or remove {self.path} to begin anew"
                )

    def add(self, segment: Segment) -> None:
        """A segment is finished: its log gets its name, and it is written down."""
        try:
            self.fresh_log_path.replace(self.log_path(len(self.job.segments)))
        except OSError as fault:
            raise writing_fault(self.path, fault) from fault
        self.job = replace(self.job, segments=(*self.job.segments, segment))
        self._save()

    def note_result(self, file: Path) -> None:
        """The file is complete and about to take its place."""
        self.job = replace(self.job, result=describe_file(file))
        self._save()

    @property
    def is_published(self) -> bool:
        """Whether the finished file is in its place already."""
        return bool(self.job.result) and self.target.is_file() and describe_file(self.target) == self.job.result

    def remove(self) -> None:
        """It is no longer needed; ``job.json`` goes last, for a kill may come in between."""
        for file in sorted(self.path.glob("*.packets")):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def _save(self) -> None:
        fresh = self.path / "job.json.fresh"
        try:
            with fresh.open("w") as file:
                json.dump(to_json(self.job), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path / "job.json")
        except OSError as fault:
            raise writing_fault(self.path, fault) from fault


def describe_file(file: Path) -> str:
    """Length and the hash of its head."""
    with file.open("rb") as opened:
        head = hashlib.sha256(opened.read(HEAD_BYTES)).hexdigest()
    return f"{file.stat().st_size} bytes, sha256 {head[:16]} of the first MiB"


def is_finished(target: Path) -> bool:
    """Whether ``target`` is there because a job made it and was killed before it could tidy up."""
    folder = JobFolder(target)
    return (folder.path / "job.json").is_file() and folder.load() is not None and folder.is_published
