"""Commands of the box: bounded, in English, and behind sudo none of a user's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.remote.checks import commands


def put(folder: Path, name: str, text: str) -> None:
    """Write a program."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_command_runs_in_english_and_without_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "says", 'echo "$LC_ALL $TZ"; cat; echo err >&2; exit 3')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert commands.run("says") == (3, "C UTC\n", "err\n")
    assert commands.output("says") == ""


def test_what_is_missing_or_takes_too_long_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "hangs", "sleep 1000")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert commands.run("no-such-program-anywhere") is None
    assert commands.run("hangs", seconds=0.1) is None


def test_behind_sudo_no_program_of_a_user_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "only-mine", "echo mine")
    put(tmp_path, "ls", "echo mine")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert commands.output("only-mine") == commands.output("ls") == "mine\n"
    monkeypatch.setenv("SUDO_UID", str(os.getuid() + 1))
    assert commands.run("only-mine") is None
    assert commands.output("ls") != "mine\n"


def test_output_that_is_not_utf8_is_text_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "says", "printf 'a\\377b'")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert commands.output("says") == "a\ufffdb"
