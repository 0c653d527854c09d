"""Boards are recognised from system files as their owners published them; each file beside them names its source."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

import pytest

from subpixel.devices.advice import hints, how_to_get, is_32_bit
from subpixel.devices.board import load_profiles
from subpixel.devices.detection import detect
from subpixel.devices.system import read_cpu, read_system
from subpixel.engines.table import engine_row

FILES = Path(__file__).parent / "system_files"

RECOGNISED = {
    "raspberry-pi-4": "raspberry-pi-4",
    "raspberry-pi-4-32-bit": "raspberry-pi-4",
    "raspberry-pi-5": "raspberry-pi-5",
    "jetson-nano": "jetson-nano",
    "jetson-orin-nano-jetpack-5": "jetson-orin-nano",
    "jetson-orin-nano-super": "jetson-orin-nano",
    "x86-avx2": "x86-avx2",
    "x86-avx512-vnni": "x86-vnni",
    "x86-avx-vnni": "x86-vnni",
    "jetson-agx-orin": None,
    "jetson-t210-jetpack": None,
    "radxa-rock-5b": None,
}


@pytest.mark.parametrize(("folder", "board"), RECOGNISED.items())
def test_a_board_is_recognised_from_its_own_files_and_no_other_is(folder: str, board: str | None) -> None:
    found = detect(FILES / folder)
    assert (found.board.id if found.board else None) == board


def test_every_folder_of_system_files_is_tested() -> None:
    assert {folder.name for folder in FILES.iterdir() if folder.is_dir()} == set(RECOGNISED)


def test_every_shipped_profile_is_recognised_by_somebodys_files() -> None:
    assert {board.id for board in load_profiles()} == {board for board in RECOGNISED.values() if board}


@pytest.mark.parametrize("folder", RECOGNISED)
def test_every_system_file_names_its_public_source(folder: str) -> None:
    source = (FILES / folder / "SOURCE.md").read_text()
    rows = [line for line in source.splitlines() if line.startswith("| `")]
    named = {row.split("`")[1] for row in rows if "https://" in row}
    present = {p.relative_to(FILES / folder).as_posix() for p in (FILES / folder).rglob("*") if p.is_file()}
    assert named == present - {"SOURCE.md"}


@pytest.mark.parametrize("folder", RECOGNISED)
def test_no_serial_number_of_an_owners_board_is_kept(folder: str) -> None:
    for file in (FILES / folder).rglob("*"):
        assert not file.is_file() or not re.search(rb"(?im)^serial\s*:", file.read_bytes())


def test_an_unknown_board_still_says_what_was_seen() -> None:
    found = detect(FILES / "radxa-rock-5b")
    assert found.name == "unknown board (cortex-a55, aarch64)"
    assert found.system.cpu.parts == ("0xd05",)
    assert "asimddp" in found.system.cpu.telling_flags


def test_device_tree_texts_lose_their_closing_nul() -> None:
    system = read_system(FILES / "raspberry-pi-4")
    assert system.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert system.compatible == ("raspberrypi,4-model-b", "brcm,bcm2711")


def test_the_model_comes_from_cpuinfo_where_the_device_tree_is_hidden() -> None:
    assert read_system(FILES / "raspberry-pi-4-32-bit").model == "Raspberry Pi 4 Model B Rev 1.2"


def test_a_pi_model_name_on_another_core_is_not_believed(tmp_path: Path) -> None:
    shutil.copytree(FILES / "raspberry-pi-5", tmp_path / "root")
    cpuinfo = tmp_path / "root/proc/cpuinfo"
    cpuinfo.write_text(cpuinfo.read_text().replace("0xd0b", "0xd08"))
    assert detect(tmp_path / "root").board is None


@pytest.mark.parametrize(
    ("folder", "l4t"),
    [
        ("jetson-nano", "32.3.1"),
        ("jetson-orin-nano-jetpack-5", "35.3.1"),
        ("jetson-orin-nano-super", "36.4.7"),
        ("jetson-agx-orin", "39.2.0"),
        ("raspberry-pi-5", ""),
    ],
)
def test_the_release_of_a_jetsons_linux_is_read(folder: str, l4t: str) -> None:
    assert read_system(FILES / folder).l4t == l4t


def test_the_version_of_jetpack_is_read_from_its_package() -> None:
    assert read_system(FILES / "jetson-t210-jetpack").jetpack == "4.5.1-b17"


def test_a_removed_jetpack_does_not_count(tmp_path: Path) -> None:
    status = (FILES / "jetson-t210-jetpack/var/lib/dpkg/status").read_text()
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("Status: deinstall ok config-files\n" + status)
    assert read_system(tmp_path).jetpack == ""


def test_cores_and_flags_of_published_cpuinfo() -> None:
    pi, laptop = read_system(FILES / "raspberry-pi-5").cpu, read_system(FILES / "x86-avx512-vnni").cpu
    assert (pi.cores, pi.processors, pi.implementer) == (("cortex-a76",), 4, "0x41")
    assert laptop.name == "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"
    assert laptop.telling_flags == ("avx2", "fma", "f16c", "avx512f", "avx512_vnni")


def test_an_empty_cpuinfo_tells_nothing() -> None:
    assert read_cpu("").processors == 0


def test_an_empty_root_is_an_unknown_board(tmp_path: Path) -> None:
    assert detect(tmp_path).name == "unknown board (the system tells nothing)"


def test_this_machine_can_be_looked_at() -> None:
    assert detect().system.arch == platform.machine()


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "litert", "tensorrt"])
def test_a_32_bit_system_is_told_that_there_are_no_wheels(engine: str) -> None:
    system = read_system(FILES / "raspberry-pi-4-32-bit")
    assert is_32_bit(system)
    assert "32-bit" in how_to_get(engine_row(engine), system)
    assert any("32-bit" in hint for hint in hints(system, FILES))


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("jetson-nano", "bound to Python 3.6"),
        ("jetson-orin-nano-jetpack-5", "bound to Python 3.8"),
        ("jetson-orin-nano-super", "apt install nvidia-jetpack"),
        ("raspberry-pi-5", "no wheels for aarch64"),
        ("x86-avx2", "needs an NVIDIA GPU"),
    ],
)
def test_advice_for_tensorrt_fits_the_board(folder: str, words: str) -> None:
    assert words in how_to_get(engine_row("tensorrt"), read_system(FILES / folder))


def test_advice_for_other_engines_is_the_pip_command() -> None:
    system = read_system(FILES / "raspberry-pi-5")
    assert how_to_get(engine_row("openvino"), system) == "pip install 'subpixel[openvino]'"


def test_governor_and_temperatures_are_read_where_the_system_has_them(tmp_path: Path) -> None:
    governor, zone = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq", tmp_path / "sys/class/thermal/thermal_zone0"
    governor.mkdir(parents=True)
    zone.mkdir(parents=True)
    (governor / "scaling_governor").write_text("powersave\n")
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("61820\n")
    assert hints(read_system(tmp_path), tmp_path) == ("CPU governor: powersave", "temperatures: cpu-thermal 62 C")
