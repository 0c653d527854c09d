"""What to do about an engine that isn't there, and what the system lets one see of heat and clocks. Words only."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from subpixel.devices.system import System
from subpixel.engines.table import EngineRow

JETPACK_PYTHON = {"32": "3.6", "35": "3.8", "36": "3.10"}  # L4T's major version -> the system's Python
OLDEST_PYTHON = "3.10"


def is_32_bit(system: System) -> bool:
    """Whether wheels would have to be for a 32-bit system; a 64-bit kernel may run a 32-bit Python."""
    return system.arch.startswith(("armv6", "armv7", "i686", "i386")) or struct.calcsize("P") == 4


def how_to_get(row: EngineRow, system: System) -> str:
    """The command that brings the engine, or why there is none for this machine."""
    if is_32_bit(system):
        return f"no {row.name} wheels for 32-bit systems: install a 64-bit system"
    if row.name == "tensorrt":
        return _tensorrt(row, system)
    return f"pip install 'subpixel[{row.extra}]'"


def _tensorrt(row: EngineRow, system: System) -> str:
    major = system.l4t.partition(".")[0]
    if major and JETPACK_PYTHON.get(major, "") in ("3.6", "3.8"):
        python = JETPACK_PYTHON[major]
        return f"TensorRT of L4T {system.l4t} is bound to Python {python}; needed {OLDEST_PYTHON} or later: JetPack 6"
    if major:
        return "sudo apt install nvidia-jetpack, then a virtual environment with --system-site-packages"
    if system.arch not in ("x86_64", "AMD64", ""):
        return f"TensorRT has no wheels for {system.arch} other than NVIDIA's Jetson"
    command = f"pip install 'subpixel[{row.extra}]'"
    return command if system.nvidia_driver else f"needs an NVIDIA GPU and its driver, none was seen; then {command}"


def hints(system: System, root: Path = Path("/")) -> tuple[str, ...]:
    """What is worth knowing before one measures: governor, temperatures, Python."""
    return tuple(_hints(system, root))


def _hints(system: System, root: Path) -> Iterator[str]:
    governors = {_text(file) for file in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")}
    if governors - {""}:
        yield f"CPU governor: {', '.join(sorted(governors - {''}))}"
    heat = _temperatures(root)
    if heat:
        yield f"temperatures: {', '.join(f'{name} {celsius:.0f} C' for name, celsius in heat)}"
    if is_32_bit(system):
        yield "32-bit system: numpy, ONNX Runtime, OpenVINO and LiteRT have no wheels for it; install a 64-bit one"
    if system.l4t.partition(".")[0] in ("32", "35"):
        yield f"JetPack for L4T {system.l4t}: its own Python is too old for TensorRT here; the CPU engines work"


def _temperatures(root: Path) -> list[tuple[str, float]]:
    """Thermal zones that tell a plausible temperature, in degrees Celsius."""
    found = []
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        text = _text(zone / "temp")
        if text.lstrip("-").isdigit() and 0 < int(text) < 200_000:
            found.append((_text(zone / "type") or zone.name, int(text) / 1000))
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
