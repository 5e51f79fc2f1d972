"""On boxes that end what a login left behind, supervisors are units of the user's own systemd.

A stand-in takes the place of systemd-run: it starts the command in a session of its own with no variables.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.remote.jobs.box import Box
from tests.remote.jobs.test_endings import ready

RUN = """#!/bin/sh
echo "$@" >> "$XDG_RUNTIME_DIR/asked"
[ -e "$XDG_RUNTIME_DIR/broken" ] && { echo "Failed to connect to bus" >&2; exit 1; }
while [ "$1" != -- ]; do shift; done
shift
setsid env -i "$@" </dev/null >/dev/null 2>&1 &
"""
USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def saved(box: Box, tmp_path: Path) -> Box:
    """A box that ends what a login left behind."""
    root, runtime = tmp_path / "root", tmp_path / "run"
    for folder in (root / "run/systemd/system", root / "etc/systemd/logind.conf.d", tmp_path / "bin"):
        folder.mkdir(parents=True)
    (root / str(runtime).lstrip("/") / "bus").mkdir(parents=True)
    runtime.mkdir()
    conf = root / "etc/systemd/logind.conf.d/kill.conf"
    conf.write_text("[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n")
    program = tmp_path / "bin/systemd-run"
    program.write_text(RUN)
    program.chmod(0o755)
    box.environment.update(
        GPUBOX_ROOT=str(root), XDG_RUNTIME_DIR=str(runtime), PATH=f"{program.parent}:{os.environ['PATH']}"
    )
    return box


def linger(box: Box) -> None:
    """Let the user's manager linger."""
    folder = Path(box.environment["GPUBOX_ROOT"]) / "var/lib/systemd/linger"
    folder.mkdir(parents=True)
    (folder / USER).touch()


def asked(box: Box) -> str:
    """Return what systemd-run was called with."""
    path = Path(box.environment["XDG_RUNTIME_DIR"]) / "asked"
    return path.read_text() if path.exists() else ""


def test_a_supervisor_becomes_a_unit_that_lingers(saved: Box) -> None:
    linger(saved)
    record = saved.launch(
        "sh", "-c", 'echo "$HF_TOKEN $XDG_RUNTIME_DIR"; exit 3', environment={"HF_TOKEN": "s3"}
    )
    assert f"--unit=gpubox-job-{record.id}" in asked(saved)
    assert "s3" not in asked(saved)
    record = saved.ended(record.id)
    assert record.ending
    assert (record.ending.code, record.warning) == (3, "")
    assert saved.log(record.id).decode() == f"s3 {saved.environment['XDG_RUNTIME_DIR']}\n"


def test_a_unit_is_stopped_like_any_job(saved: Box) -> None:
    linger(saved)
    record = saved.launch("sh", "-c", "echo ready; sleep 100")
    ready(saved, record.id)
    saved.ask("stop", id=record.id, by="ada")
    ending = saved.ended(record.id).ending
    assert ending
    assert (ending.how, ending.by) == ("stopped", "ada")


def test_without_lingering_the_danger_is_reported(saved: Box) -> None:
    record = saved.run("true")
    assert record.warning.startswith("This box ends your jobs when you log out")
    assert asked(saved) == ""


def test_a_manager_that_refuses_does_not_hold_the_job(saved: Box) -> None:
    linger(saved)
    (Path(saved.environment["XDG_RUNTIME_DIR"]) / "broken").touch()
    record = saved.run("sh", "-c", "exit 4")
    assert record.ending
    assert record.ending.code == 4
    assert "Failed to connect to bus" in record.warning


@pytest.mark.parametrize("text", ["", "[Login]\nKillUserProcesses=no\n", "[Login]\nKillExcludeUsers=" + USER])
def test_elsewhere_two_forks_are_enough(saved: Box, text: str) -> None:
    linger(saved)
    conf = Path(saved.environment["GPUBOX_ROOT"]) / "etc/systemd/logind.conf.d/last.conf"
    conf.write_text(text)
    if not text:
        (conf.parent / "kill.conf").unlink()
    record = saved.run("true")
    assert (asked(saved), record.warning) == ("", "")
