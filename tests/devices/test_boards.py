"""A board's profile is read strictly: every wrong line is an error that says where and what instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from subpixel.devices.board import load_profile, load_profiles
from subpixel.devices.detection import detect
from subpixel.errors import BadInputError, NotFoundError

TOY = """
name = "Toy board"
match.device_tree = ["acme,toy"]
cpu = { core = "cortex-a53", isa = "armv8-a", int8_dot = false, count = 4 }
memory = { gib = [1, 2], type = "LPDDR4" }
try_first = ["litert"]

[sources]
match = "vendor's page, https://example.org/toy"
cpu = "vendor's page, https://example.org/toy"
memory = "vendor's page, https://example.org/toy"
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    file = tmp_path / "boards" / "toy.toml"
    file.parent.mkdir()
    file.write_text(TOY)
    return file


def test_a_toy_board_is_one_file_and_is_recognised(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "root/proc/device-tree").mkdir(parents=True)
    (tmp_path / "root/proc/device-tree/compatible").write_bytes(b"acme,toy\0acme,soc\0")
    found = detect(tmp_path / "root", load_profiles(toy.parent))
    assert found.board is not None
    assert (found.board.id, found.board.name, found.name) == ("toy", "Toy board", "Toy board")


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ("try_first", "try_frist", "top level: unknown key 'try_frist'; did you mean 'try_first'?"),
        ("count = 4", "coutn = 4", "cpu: unknown key 'coutn'; did you mean 'count'?"),
        ("match.device_tree", "match.divice_tree", "match: unknown key 'divice_tree'; did you mean 'device_tree'?"),
        ("memory =", "zzz =", "top level: unknown key 'zzz'; known are: "),
        ("count = 4", 'count = "four"', "cpu.count: found 'four', needed int"),
        ('["acme,toy"]', '"acme,toy"', "match.device_tree: found str, needed a list"),
        ('name = "Toy board"', "", "top level: 'name' is missing"),
        ('["litert"]', '["litterrt"]', "no engine 'litterrt'; there are: "),
        ('cpu = "vendor\'s page, https://example.org/toy"', 'cpu = "I know it"', "sources.cpu: found 'I know it'"),
        ('memory = "vendor\'s page, https://example.org/toy"', "", "sources.memory: found ''; every figure needs"),
        ('memory = { gib = [1, 2], type = "LPDDR4" }', "", "sources.memory names a source, but there is no [memory]"),
        ('match.device_tree = ["acme,toy"]', "match = {}", "match: found nothing"),
        ('name = "Toy board"', 'name = "Toy board"\nid = "other"', "the file's name is the id"),
        ('name = "Toy board"', "name = Toy board", "can't be read as TOML"),
    ],
)
def test_a_fault_in_a_profile_is_named(toy: Path, line: str, instead: str, words: str) -> None:
    assert line in TOY
    toy.write_text(TOY.replace(line, instead, 1))
    with pytest.raises(BadInputError) as fault:
        load_profile(toy)
    assert words in str(fault.value)
    assert str(toy) in str(fault.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        load_profiles(tmp_path / "nowhere")


def test_the_shipped_profiles_have_a_source_for_every_figure() -> None:
    boards = load_profiles()
    assert {board.id for board in boards} == {
        "raspberry-pi-4", "raspberry-pi-5", "jetson-nano", "jetson-orin-nano", "x86-avx2", "x86-vnni",
    }  # fmt: skip
    for board in boards:
        for part in ("cpu", "match", "memory", "gpu", "video"):
            assert ("https://" in getattr(board.sources, part)) == (getattr(board, part) is not None), board.id
