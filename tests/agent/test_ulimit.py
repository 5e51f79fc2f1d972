"""Limits of the account that keep the probe from running are reported by their names."""

from __future__ import annotations

import pytest

from gpubox.agent.ulimit import explained
from gpubox.core.errors import ProbeError, RemoteError
from gpubox.core.shell import CommandResult
from gpubox.local.shell import LocalShell
from tests.boxes.scripted import ScriptedShell

_LIMITS = b"""\
Limit                     Soft Limit           Hard Limit           Units
Max processes             %d                 4127636              processes
Max open files            %d                 1048576              files
"""


def _shell(processes: int, files: int) -> ScriptedShell:
    shell = ScriptedShell()
    shell.answer = lambda _: CommandResult(0, None, _LIMITS % (processes, files), b"")
    return shell


@pytest.mark.parametrize(
    ("said", "processes", "files", "words"),
    [
        ("The box ended the command and printed nothing", 4096, 10, "ulimit -n: 10"),
        ("The box ended the command and printed nothing", 2, 1024, "ulimit -u: 2"),
        ("It ended; it printed: sh: 1: Cannot fork", 4096, 1024, "ulimit -u: 4096"),
        ("It found a fault: RuntimeError: can't start new thread", 9000, 1024, "ulimit -u: 9000"),
        ("OSError: [Errno 24] Too many open files", 4096, 1024, "ulimit -n: 1024"),
    ],
)
async def test_a_limit_that_is_too_low_is_named(said: str, processes: int, files: int, words: str) -> None:
    error = await explained(ProbeError("The probe did not start", said), _shell(processes, files))
    assert said in error.text
    assert words in error.text
    assert "limits.conf" in error.hint


async def test_limits_that_are_usual_are_not_blamed() -> None:
    error = ProbeError("The probe did not start", "The box ended the command and printed nothing", "Look")
    assert await explained(error, _shell(63000, 1024)) is error


async def test_a_box_that_does_not_report_its_limits_is_reported_as_before() -> None:
    shell = ScriptedShell()
    shell.answer = lambda _: RemoteError("No further session")
    error = ProbeError("The probe did not start", "It printed nothing")
    assert await explained(error, shell) is error


async def test_the_limits_of_this_machine_are_read() -> None:
    error = ProbeError("The probe did not start", "sh: Cannot fork")
    assert "ulimit -u" in (await explained(error, LocalShell())).text
