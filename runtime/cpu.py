"""What the processor is called, and which of its instructions decide what int8 and half precision give."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path

from subpixel.tune import cpu_model

CPUINFO = Path("/proc/cpuinfo")

# Instruction sets under which libraries take other int8 or half-precision kernels, with other results.
DECIDING = (
    "avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16",
    "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve",
)  # fmt: skip


def instruction_sets(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """Those of ``DECIDING`` that the first processor has; empty where the system doesn't tell."""
    with contextlib.suppress(OSError):
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return tuple(flag for flag in DECIDING if flag in value.split())
    return ()


def machine() -> str:
    """For evidence: the processor, its architecture, its instruction sets."""
    sets = " ".join(instruction_sets()) or "instruction sets unknown"
    return f"{cpu_model() or 'unknown processor'} ({platform.machine()}; {sets})"
