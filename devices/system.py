"""What the operating system tells of the machine: device tree, CPU, JetPack. Read from files under one root folder."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

DEVICE_TREES = ("proc/device-tree", "sys/firmware/devicetree/base")

# Main ID register part numbers of Arm Ltd. (implementer 0x41): Linux, arch/arm64/include/asm/cputype.h
ARM_CORES = {
    "0xc07": "cortex-a7",
    "0xd03": "cortex-a53",
    "0xd04": "cortex-a35",
    "0xd05": "cortex-a55",
    "0xd07": "cortex-a57",
    "0xd08": "cortex-a72",
    "0xd09": "cortex-a73",
    "0xd0a": "cortex-a75",
    "0xd0b": "cortex-a76",
    "0xd0c": "neoverse-n1",
    "0xd0d": "cortex-a77",
    "0xd40": "neoverse-v1",
    "0xd41": "cortex-a78",
    "0xd42": "cortex-a78ae",
    "0xd49": "neoverse-n2",
}

# Flags that decide how fast or in which arithmetic a network runs.
TELLING_FLAGS = (
    "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2", "neon",
    "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8",
)  # fmt: skip


@dataclass(frozen=True)
class CpuInfo:
    """``parts``: ARM part numbers, each once; ``cores``: their names where known; ``flags``: of the first processor."""

    name: str = ""
    implementer: str = ""
    parts: tuple[str, ...] = ()
    cores: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    processors: int = 0

    @property
    def telling_flags(self) -> tuple[str, ...]:
        """The flags that matter to a neural network."""
        return tuple(flag for flag in TELLING_FLAGS if flag in self.flags)


@dataclass(frozen=True)
class System:
    """Empty text: the system does not tell. ``l4t``: NVIDIA's Linux for Tegra, such as ``36.4.3``."""

    arch: str = ""
    os: str = ""
    kernel: str = ""
    model: str = ""
    compatible: tuple[str, ...] = ()
    cpu: CpuInfo = CpuInfo()
    l4t: str = ""
    jetpack: str = ""
    nvidia_driver: str = ""


def read_system(root: Path = Path("/")) -> System:
    """Everything that can be read under ``root``; what isn't there stays empty. Never raises for what it finds."""
    cpu_text = _text(root / "proc/cpuinfo")
    cpu = read_cpu(cpu_text)
    here = root == Path("/")
    return System(
        arch=platform.machine() if here else _arch(cpu_text),
        os=_os_name(_text(root / "etc/os-release")) or (platform.platform() if here else ""),
        kernel=platform.release() if here else "",
        model=_model(root, cpu_text),
        compatible=_device_tree(root, "compatible"),
        cpu=cpu if cpu.processors or not here else CpuInfo(name=platform.processor()),
        l4t=_l4t(_text(root / "etc/nv_tegra_release"), _text(root / "var/lib/dpkg/status")),
        jetpack=package_version(_text(root / "var/lib/dpkg/status"), "nvidia-jetpack"),
        nvidia_driver=_driver(_text(root / "proc/driver/nvidia/version")),
    )


def read_cpu(text: str) -> CpuInfo:
    """``/proc/cpuinfo`` of Linux on x86 and ARM."""
    lines = _pairs(text)
    found: dict[str, list[str]] = {}
    for key, value in lines:
        found.setdefault(key, []).append(value)
    parts = tuple(dict.fromkeys(found.get("cpu part", ())))
    implementer = found.get("cpu implementer", [""])[0]
    cores = tuple(ARM_CORES.get(part, part) for part in parts) if implementer in ("0x41", "") else parts
    flags = (found.get("flags") or found.get("features") or [""])[0]
    name = found.get("model name", [", ".join(cores)])[0]
    return CpuInfo(name, implementer, parts, cores, tuple(flags.split()), len(found.get("processor", ())))


def package_version(status: str, package: str) -> str:
    """The version of an installed Debian package, from the text of ``/var/lib/dpkg/status``."""
    for stanza in status.split("\n\n"):
        fields = dict(_pairs(stanza))
        state = fields.get("status", "installed").split()[-1]
        if fields.get("package") == package and state == "installed":
            return fields.get("version", "")
    return ""


def _pairs(text: str) -> list[tuple[str, str]]:
    """``key : value`` lines, keys in lower case."""
    split = (line.partition(":") for line in text.splitlines() if ":" in line)
    return [(key.strip().lower(), value.strip()) for key, _, value in split]


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _device_tree(root: Path, name: str) -> tuple[str, ...]:
    """A device-tree property: texts, each ended by a NUL."""
    for tree in DEVICE_TREES:
        text = _text(root / tree / name)
        if text:
            return tuple(part for part in (entry.strip() for entry in text.split("\0")) if part)
    return ()


def _model(root: Path, cpu_text: str) -> str:
    """The board's name; Raspberry Pi kernels write it into ``/proc/cpuinfo`` too, which containers do show."""
    told = _device_tree(root, "model")
    return told[0] if told else dict(re.findall(r"^(Model)\s*:\s*(.+)$", cpu_text, re.MULTILINE)).get("Model", "")


def _arch(cpu_text: str) -> str:
    """The architecture that a ``/proc/cpuinfo`` of another machine was written on."""
    keys = dict(_pairs(cpu_text))
    if "vendor_id" in keys:
        return "x86_64" if " lm " in f" {keys.get('flags', '')} " else "i686"
    return {"8": "aarch64", "7": "armv7l"}.get(keys.get("cpu architecture", ""), "")


def _os_name(text: str) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)
    return found.group(1) if found else ""


def _l4t(release: str, status: str) -> str:
    """``# R36 (release), REVISION: 4.3, ...`` is 36.4.3; else the version of the package that brings it."""
    found = re.search(r"R(\d+)[^,]*, *REVISION: *([\d.]+)", release)
    if found:
        return f"{found.group(1)}.{found.group(2)}"
    return package_version(status, "nvidia-l4t-core").partition("-")[0]


def _driver(text: str) -> str:
    found = re.search(r"\b(\d{3}\.[\d.]+)\b", text)
    return found.group(1) if found else ""
