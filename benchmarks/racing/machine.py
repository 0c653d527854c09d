"""Which machine, and which versions: without them a figure says nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from subpixel.tune import cpu_model

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "asimddp", "i8mm", "bf16")
PACKAGES = ("subpixel", "numpy", "av", "onnxruntime", "openvino", "ai-edge-litert")


def machine() -> dict[str, object]:
    """Processor, its instruction sets that matter here, cores, memory, and the versions of our side."""
    return {
        "cpu": cpu_model(),
        "flags": [flag for flag in FLAGS if flag in cpu_flags()],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed_version(name))},
    }


def cpu_flags() -> set[str]:
    """The instruction sets that the system lists."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def installed_version(name: str) -> str:
    """Empty where the package isn't there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def line(found: dict[str, object]) -> str:
    """For people, in one line."""
    flags, versions = found["flags"], found["versions"]
    assert isinstance(flags, list) and isinstance(versions, dict)
    packages = ", ".join(f"{name} {value}" for name, value in versions.items())
    return (
        f"{found['cpu']} ({', '.join(flags)}), {found['cores']} cores, {found['memory_gib']} GiB, "
        f"{found['system']}, Python {found['python']}, {packages}"
    )
