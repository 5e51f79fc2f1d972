"""What is announced, when it is quiet, and that words of a box cannot act on a terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from gpubox.boxes.alerts.announcement import Announcement, is_notable, is_quiet, run_command, spoken
from gpubox.boxes.alerts.mutes import BOX, covers
from gpubox.common.alerts.alert import Alert
from gpubox.common.severity import Severity
from gpubox.config.settings import AlertSettings

EVIL = "x\x1b]52;c;aGk=\x07;\x9c\n\u202e"
HOT = Alert("gpu-too-hot", "gpu 0", Severity.CRITICAL, "Too hot", "It is", "Cool it", 5.0, "GPU-a")


def at(clock: str) -> float:
    return time.mktime(time.strptime(f"2026-03-04 {clock}", "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("hours", "clock", "quiet"),
    [
        ("", "03:00", False),
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("12:00-13:30", "12:30", True),
        ("12:00-13:30", "13:30", False),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours: str, clock: str, quiet: bool) -> None:
    assert is_quiet(hours, at(clock)) is quiet


def test_only_what_is_severe_enough_is_announced() -> None:
    assert is_notable(HOT, AlertSettings(severity="critical"))
    assert not is_notable(HOT._replace(severity=Severity.INFO), AlertSettings())


@pytest.mark.parametrize(
    ("what", "until", "muted"),
    [
        (HOT.key, None, True),
        ("GPU-a", 20.0, True),
        ("gpu 0", 20.0, True),
        (BOX, 20.0, True),
        (BOX, 10.0, False),
        ("GPU-b", None, False),
        ("", None, False),
    ],
)
def test_what_a_mute_covers(what: str, until: float | None, muted: bool) -> None:
    assert covers({what: until}, HOT, 10.0) is muted


@pytest.mark.parametrize("kind", ["osc9", "osc777"])
def test_words_of_the_box_end_no_sequence(kind: str) -> None:
    hostile = HOT._replace(title=EVIL, subject=EVIL)
    text = spoken(kind, Announcement(EVIL, hostile, True, 5.0))
    assert text.startswith("\x1b]")
    assert text.endswith("\x1b\\")
    assert not any(ord(character) < 32 or character in "\x9c\x07" for character in text[2:-2])
    assert text.count(";") == (1 if kind == "osc9" else 3)
    assert spoken("off", Announcement("xub", HOT, True, 5.0)) == ""


async def test_the_command_reads_the_event(tmp_path: Path) -> None:
    file = tmp_path / "event"
    await run_command(f'cat >"{file}"; echo "$GPUBOX_BOX" >>"{file}"', Announcement("xub", HOT, True, 7.0))
    event, box = file.read_text().splitlines()
    assert box == "xub"
    assert json.loads(event) == {
        "schema": 1, "box": "xub", "raised": True, "at": 7.0, "test": False, "alert": HOT.row(),
    }  # fmt: skip


async def test_a_command_that_does_not_read_is_well() -> None:
    await run_command("true", Announcement("xub", HOT._replace(text="x" * 200_000), True, 7.0))
