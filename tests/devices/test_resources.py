"""Memory and cores as control groups allow them, of both versions; a measuring process has a peak of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subpixel.devices.child import ask
from subpixel.devices.figures import VariantFigures, VariantRequest
from subpixel.devices.resources import read_resources

MIB = 1 << 20


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal:        8000000 kB\nMemFree:  1 kB\nMemAvailable:    6000000 kB\n"}


def test_without_control_groups_the_machines_memory_counts(tmp_path: Path) -> None:
    found = read_resources(lay(tmp_path, MEMINFO))
    assert (found.total_bytes, found.available_bytes, found.limit_bytes) == (8_192_000_000, 6_144_000_000, None)


def test_a_limit_of_version_2_counts_with_page_cache_left_out(tmp_path: Path) -> None:
    group = {
        "proc/self/cgroup": "0::/batch/job\n",
        "sys/fs/cgroup/batch/job/memory.max": f"{512 * MIB}\n",
        "sys/fs/cgroup/batch/job/memory.current": f"{300 * MIB}\n",
        "sys/fs/cgroup/batch/job/memory.stat": f"anon 1\ninactive_file {100 * MIB}\n",
    }
    found = read_resources(lay(tmp_path, {**MEMINFO, **group}))
    assert (found.limit_bytes, found.available_bytes) == (512 * MIB, 312 * MIB)


def test_the_tightest_limit_above_a_group_counts(tmp_path: Path) -> None:
    group = {
        "proc/self/cgroup": "0::/batch/job\n",
        "sys/fs/cgroup/batch/job/memory.max": "max\n",
        "sys/fs/cgroup/batch/memory.max": f"{256 * MIB}\n",
    }
    assert read_resources(lay(tmp_path, {**MEMINFO, **group})).limit_bytes == 256 * MIB


def test_a_limit_of_version_1_counts(tmp_path: Path) -> None:
    group = {
        "proc/self/cgroup": "4:memory:/docker/ab\n1:cpu,cpuacct:/\n",
        "sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes": f"{400 * MIB}\n",
        "sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes": f"{100 * MIB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    found = read_resources(lay(tmp_path, {**MEMINFO, **group}))
    assert (found.limit_bytes, found.available_bytes) == (400 * MIB, 300 * MIB)


@pytest.mark.parametrize(
    "group",
    [
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
        {
            "proc/self/cgroup": "1:cpu,cpuacct:/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_half_a_core_of_quota_is_one_usable_core(tmp_path: Path, group: dict[str, str]) -> None:
    found = read_resources(lay(tmp_path, group))
    assert (found.usable_cores, found.cores >= 1) == (1, True)


def test_a_measuring_process_does_not_inherit_the_peak_of_this_one() -> None:
    ballast = np.ones(400 * MIB, np.uint8)
    request = VariantRequest("bicubic-x2", "procedure-fp32-u8", "bicubic", "cpu", 32, 24, 0.01)
    answer = ask("variant", request, VariantFigures, 60)
    assert answer.figures is not None and answer.figures.peak_rss_bytes is not None, answer.fault
    assert 10 * MIB < answer.figures.peak_rss_bytes < ballast.nbytes
