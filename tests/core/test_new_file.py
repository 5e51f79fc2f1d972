"""A file is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.core import new_file


def test_a_file_has_its_data_and_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        new_file.make(tmp_path / "a", b"one\n", 0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == b"one\n"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    (tmp_path / "b").symlink_to(tmp_path / "elsewhere")
    for name in ("a", "b"):
        with pytest.raises(FileExistsError):
            new_file.make(tmp_path / name, b"other", 0o600)
    assert (tmp_path / "a").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_does_not_take_it_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        new_file.make(tmp_path / "a", b"one", 0o600)
    assert os.listdir(tmp_path) == []


def test_two_that_take_the_place_of_one_file_are_not_the_same(tmp_path: Path) -> None:
    one, other = (new_file.temporary(tmp_path / "a") for _ in range(2))
    assert one != other
    assert {one.parent, other.parent} == {tmp_path}
