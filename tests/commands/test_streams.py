"""Standard streams that take nothing, or are closed: words and a status, never a traceback."""

from __future__ import annotations

import subprocess

import pytest

from gpubox.core.sanitize import aligned
from tests.commands.run import PROGRAM, environment

COMMANDS = ("--version", "--help", "status local --json", "config show", "jobs local")


def _run(words: str, redirection: str) -> subprocess.CompletedProcess[str]:
    line = f'exec "$@" {words} {redirection}'
    return subprocess.run(
        ["sh", "-c", line, "sh", *PROGRAM],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    ("redirection", "why"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_an_output_that_cannot_be_written_is_said(words: str, redirection: str, why: str) -> None:
    ran = _run(words, redirection)
    assert ran.stderr.splitlines()[-1:] == [f"gpubox-tui: The output cannot be written. {why}"]
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 1


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&-"])
def test_what_is_not_needed_may_be_closed(redirection: str) -> None:
    assert _run("--version", redirection).returncode == 0
    wrong = _run("nosuch-command with words", redirection)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_columns_of_wide_characters_stand_below_each_other() -> None:
    assert aligned([("訓練", "x"), ("train", "y"), ("e\u0301", "z")]) == [
        "訓練   x",
        "train  y",
        "e\u0301      z",
    ]
