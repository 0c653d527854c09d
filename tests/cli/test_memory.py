"""How a process of ours holds memory, seen by the pages it is given anew."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

TOUCHED = """
import resource
import numpy as np
from subpixel.cli import memory
memory.give_frames_back()
def touch():
    for _ in range({arrays}):
        np.ones(6 << 20, np.uint8)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
ARRAYS = 50


def faults() -> int:
    """Pages that the system gave for arrays of 6 MiB, one after the other; they may be large ones."""
    code = TOUCHED.format(arrays=ARRAYS)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this setting")
def test_frames_are_given_back() -> None:
    assert faults() >= ARRAYS
