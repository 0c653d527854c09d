"""The environment of the other programs: a Python 3.12 of its own, in a folder that git ignores."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from racing.clips import ROOT

FOLDER = Path(os.environ.get("SUBPIXEL_PEERS") or ROOT / ".cache" / "peers")
PYTHON = "3.12"  # VapourSynth's plug-ins of PyPI ask for it
SETUP = "`benchmarks/video.py --setup` installs it"
# pnnx asks for torch, which its converter of ONNX files does without.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("imageio-ffmpeg==0.8.1",),
    ("vapoursynth==81", "vapoursynth-bestsource==22", "vapoursynth-mlrt-ov==17.1", "vapoursynth-mlrt-ort==17.1.1"),
    ("numpy==2.5.5", "av==18.1.0", "ncnn==1.0.20261020"),
    ("opencv-contrib-python-headless==4.13.0.92",),
    ("--no-deps", "pnnx==20261020"),
)


@dataclass(frozen=True)
class Peers:
    """What is there of the others, in this folder."""

    folder: Path = FOLDER

    @property
    def python(self) -> Path:
        """Its interpreter, there or not."""
        return self.folder / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        """VapourSynth looks for its settings in the user's folder, which is left alone; packages of ours stay out."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        return {"XDG_CONFIG_HOME": str(self.folder / "config"), "PATH": path, "PYTHONPATH": ""}

    @property
    def ffmpeg(self) -> str:
        """The system's FFmpeg, else the wheel's; empty where there is none."""
        found = sorted(self.packages("imageio_ffmpeg/binaries/ffmpeg-*"))
        return shutil.which("ffmpeg") or (str(found[0]) if found else "")

    @property
    def pnnx(self) -> str:
        """The converter to ncnn; empty where it isn't there."""
        found = [file for file in self.packages("pnnx/pnnx*") if file.is_file() and os.access(file, os.X_OK)]
        return str(found[0]) if found else ""

    def packages(self, pattern: str) -> list[Path]:
        """Files of the environment's packages."""
        return list(self.folder.glob(f"lib/python*/site-packages/{pattern}"))

    def missing(self, *packages: str) -> str:
        """Why a program can't run: the first package that isn't there; empty where all are."""
        for name in packages:
            if not self.packages(name):
                return f"{name} is not installed; {SETUP}"
        return ""

    def versions(self) -> dict[str, str]:
        """Of all that is installed, and of FFmpeg."""
        found = dict(_versions(self.packages("*.dist-info")))
        if self.ffmpeg:
            said = subprocess.run([self.ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
            found["ffmpeg"] = said.split()[2]
        return found

    def set_up(self) -> None:
        """Install everything; what can't be had is said, and the rest goes on."""
        found = subprocess.run([ROOT / "scripts" / "find-python", PYTHON], capture_output=True, text=True, check=False)
        if found.returncode:
            raise SystemExit(f"the other programs need Python {PYTHON}: {found.stderr.strip()}")
        if not self.python.is_file():
            subprocess.run([found.stdout.strip(), "-m", "venv", self.folder], check=True)
        for group in GROUPS:
            _install(self.python, group)
        config = self.folder / "bin" / "vapoursynth"
        if config.is_file():
            subprocess.run([config, "config"], env={**os.environ, **self.environment}, check=True)


def _install(python: Path, group: Sequence[str]) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *group]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    state = "installed" if result.returncode == 0 else f"NOT installed: {result.stderr.strip()[-300:]}"
    print(f"{' '.join(group)}: {state}", flush=True)


SHOWN = ("vapoursynth", "vapoursynth_mlrt_ov", "vapoursynth_mlrt_ort", "ncnn", "opencv_contrib_python_headless", "av")


def _versions(folders: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for folder in sorted(folders):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if name.lower() in SHOWN:
            yield name.lower(), version
