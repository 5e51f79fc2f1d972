"""A program on the box answers with JSON, whatever becomes of its work."""

from __future__ import annotations

import json

import pytest

from gpubox.common.refusal import Refused
from gpubox.remote import json_io


def raising(error: BaseException) -> int:
    """Work that fails."""
    raise error


def test_work_that_is_done_says_nothing_more(capfd: pytest.CaptureFixture[str]) -> None:
    assert json_io.serve("It failed", lambda: 3) == 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "title", "text", "hint"),
    [
        (Refused("Not yours", "It is Ada's", "Ask her"), "Not yours", "It is Ada's", "Ask her"),
        (
            IndexError("no such row"),
            "It failed",
            "IndexError: no such row (test_json_io.py line ",
            "Try again",
        ),
        (ValueError("x" * 999), "It failed", "ValueError: " + "x" * 200 + " (test_json_io.py ", "Try again"),
    ],
)
def test_an_error_becomes_the_answer(
    capfd: pytest.CaptureFixture[str], error: Exception, title: str, text: str, hint: str
) -> None:
    assert json_io.serve("It failed", lambda: raising(error), "Try again") == 1
    out, err = capfd.readouterr()
    said = json.loads(out)["error"]
    assert (said["title"], said["hint"], err) == (title, hint, "")
    assert said["text"].startswith(text)


def test_nobody_is_answered_who_does_not_read(capfd: pytest.CaptureFixture[str]) -> None:
    assert json_io.serve("It failed", lambda: raising(BrokenPipeError())) == 1
    assert capfd.readouterr() == ("", "")
