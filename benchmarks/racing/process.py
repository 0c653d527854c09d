"""Runs a command and says what it cost: time, CPU time and memory of all its processes, and what others took meanwhile.

Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY_SECONDS, TREE_SECONDS = 0.02, 0.2  # between looks at the memory, and for new processes
BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal; not idle and iowait
TICKS, PAGE_MIB = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") / 2**20
FOREIGN_LIMIT = 0.03  # of all cores' time, taken by processes that aren't ours
# Set by those who share a machine or work on the sources: a benchmark lets every program choose its threads, and Python
# keep what it compiled, as an installation does.
LEFT_OUT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE")


class RunError(Exception):
    """A command failed or took too long; the message ends with what it wrote last."""


@dataclass(frozen=True)
class Cost:
    """``cpu_seconds``: user and system, of all processes; ``foreign_share``: of the cores' time, taken by others.

    ``peak_rss_mib``: the most that the processes held at one moment, added up; shared pages count in each.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_mib: float
    foreign_share: float
    output: str = ""

    @property
    def disturbed(self) -> bool:
        """Whether others took more than the limit."""
        return self.foreign_share > FOREIGN_LIMIT


def busy_seconds(stat: str) -> float:
    """CPU time that all cores have spent on anything, from the text of ``/proc/stat``."""
    fields = stat.splitlines()[0].split()[1:]
    return sum(int(fields[at]) for at in BUSY if at < len(fields)) / TICKS


def foreign_share(busy: float, ours: float, seconds: float, cores: int) -> float:
    """The share of ``cores`` x ``seconds`` that was spent, ``busy``, and not by us; the clock's ticks may make it < 0.

    >>> foreign_share(busy=3.0, ours=2.0, seconds=5.0, cores=2)
    0.1
    """
    return max(0.0, (busy - ours) / (seconds * cores))


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, limit_seconds: float = 900.0) -> Cost:
    """Run it to its end. Raises ``RunError`` where it fails or takes longer."""
    started_busy, started_own, started = _machine_busy(), _own_cpu(), time.perf_counter()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=complained, env=as_users_have(environment),
            start_new_session=True,
        )  # fmt: skip
        timer = threading.Timer(limit_seconds, os.killpg, (child.pid, signal.SIGKILL))
        timer.start()
        with Memory(child.pid) as memory:
            _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        output = _text(said)
        if child.returncode:
            raise RunError(f"{command[0]} ended with {child.returncode}: {_text(complained).strip()[-600:]}")
    cpu = usage.ru_utime + usage.ru_stime
    ours = cpu + _own_cpu() - started_own
    share = foreign_share(_machine_busy() - started_busy, ours, seconds, os.cpu_count() or 1)
    return Cost(seconds, cpu, memory.peak_mib, share, output)


def least_disturbed(measure: Callable[[], Cost], repeats: int) -> Cost:
    """Measured again, up to so many times, while others disturb; the least disturbed run counts."""
    best = measure()
    for _ in range(repeats):
        if not best.disturbed:
            break
        best = min(best, measure(), key=lambda cost: cost.foreign_share)
    return best


def as_users_have(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what is set for work on the project, and with these variables."""
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return {**kept, **(environment or {})}


class Memory:
    """Watches the memory of the processes of a session while it is entered."""

    def __init__(self, session: int) -> None:
        self._session, self.peak_mib = session, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        looked, members = -TREE_SECONDS, [self._session]
        while not self._over.wait(MEMORY_SECONDS):
            if time.perf_counter() - looked > TREE_SECONDS:
                looked, members = time.perf_counter(), session_members(self._session)
            self.peak_mib = max(self.peak_mib, sum(map(rss_mib, members)))


def session_members(session: int) -> list[int]:
    """Processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[3]) == session:
                found.append(int(entry.name))
    return found


def rss_mib(process: int) -> float:
    """What a process holds in memory; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_MIB
    except (OSError, IndexError):
        return 0.0


def _machine_busy() -> float:
    return busy_seconds(Path("/proc/stat").read_text())


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _text(file: object) -> str:
    file.seek(0)  # type: ignore[attr-defined]
    return str(file.read().decode(errors="replace"))  # type: ignore[attr-defined]
