"""`gpubox-tui put` and `get` as programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gpubox.boxes.files.transfer import TransferProgress
from gpubox.commands.files import line
from tests.commands.run import apart, here


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the terminal is in."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("box", ["local", "demo"])
def test_a_folder_goes_there_and_back(desk: Path, box: str) -> None:
    there = desk / "there"
    there.mkdir()
    (desk / "a folder").mkdir()
    (desk / "a folder" / "-x $(id)").write_text("hello")
    ran = apart("put", box, "a folder", f"{there}/")
    assert (ran.status, ran.out) == (0, "")
    assert re.fullmatch(r"1 file, 5B, in \d+s \(\S+/s\)\n", ran.err)
    ran = apart("get", box, f"{there}/a*", "back/", "--json")
    reported = json.loads(ran.out)
    assert (reported["schema"], reported["box"], reported["files"], reported["bytes"]) == (1, box, 1, 5)
    assert (desk / "back" / "a folder" / "-x $(id)").read_text() == "hello"


def test_what_is_left_out_is_named_and_the_status_says_so(desk: Path) -> None:
    (desk / "tree").mkdir()
    (desk / "tree" / "loop").symlink_to(".")
    ran = apart("put", "local", "tree", str(desk / "copy"))
    assert ran.status == 1
    assert ran.err.startswith("left out: ")


def test_a_file_that_a_pattern_found_is_replaced_only_when_that_is_asked_for(desk: Path) -> None:
    (desk / "there").mkdir()
    (desk / "there" / "a.txt").write_text("new")
    (desk / "a.txt").write_text("old")
    ran = apart("get", "local", f"{desk}/there/*.txt", ".")
    assert ran.status == 1
    assert "a.txt: is there already, and differs" in ran.err
    assert (desk / "a.txt").read_text() == "old"
    assert apart("get", "local", f"{desk}/there/*.txt", ".", "--replace", "-q").err == ""
    assert (desk / "a.txt").read_text() == "new"


def test_what_is_not_there_is_said(desk: Path) -> None:
    assert here("put", "local", "missing").status == 2
    ran = apart("get", "local", str(desk / "missing"))
    assert (ran.status, ran.out) == (1, "")
    assert "No such file" in ran.err


def test_progress_is_a_line() -> None:
    half = TransferProgress("model.bin", 2, 7, 1 << 30, 2 << 30)
    assert line(half, float(64 << 20)) == " 50%  1.0G of 2.0G  64.0M/s  16s left  3 of 7  model.bin"
    assert line(TransferProgress(), None).split() == ["0%", "0B", "of", "0B", "–", "–", "left"]
