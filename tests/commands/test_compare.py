"""`gpubox-tui compare`, for real on this machine: two environments, one job in each, one table."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gpubox.boxes.box import Box
from gpubox.commands import compare
from gpubox.core.env import Env
from gpubox.core.errors import Dropped
from gpubox.core.job import JobSpec
from gpubox.core.record import Record
from gpubox.core.target import Target
from tests.commands.run import apart, here


@pytest.fixture
def envs(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two virtual environments in the home of this test."""
    monkeypatch.setenv("GPUBOX_QUEUE_DIR", str(home / "queue"))
    for name in ("slow", "quick"):
        folder = home / name / ".venv"
        made = subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=False)
        assert made.returncode == 0
    return "slow", "quick"


WORK = "import sys, time; time.sleep(2.0 if 'slow' in sys.prefix else 0.1)"


def test_a_command_runs_in_each_environment_and_ends_in_a_table(envs: tuple[str, str]) -> None:
    done = here("compare", "local", "--env", envs[0], "--env", envs[1], "--", "python", "-c", WORK)
    assert done.status == 0, done.err
    assert done.out.splitlines()[0].split() == ["slow", "quick"]
    assert "quick ran" in done.out
    assert "x faster than slow" in done.out
    assert "1 of 2: python in slow without a GPU" in done.err
    assert "2 of 2: exit 0 after" in done.err


def test_its_records_can_be_compared_again_in_each_form(envs: tuple[str, str]) -> None:
    words = ("--env", envs[0], "--env", envs[1], "--runs", "2", "--json")
    first = here("compare", "local", *words, "--", "python", "-c", WORK)
    assert first.status == 0, first.err
    reported = json.loads(first.out)
    assert [side["finished"] for side in reported["sides"]] == [2, 2]
    assert reported["speedups"][0]["ratio"] > 1
    ids = [job for side in reported["sides"] for job in side["jobs"]]
    again = here("jobs", "local", "compare", *ids, "--csv")
    assert [row["job"] for row in csv.DictReader(StringIO(again.out))] == ids
    table = here("jobs", "local", "compare", *ids, "--markdown")
    assert table.out.startswith("|")
    assert "faster than slow" in table.out


def test_a_side_that_fails_is_reported_and_the_exit_status_says_so(envs: tuple[str, str]) -> None:
    work = "import os, sys; print('so far', flush=True); 'slow' in sys.prefix and os.abort()"
    done = here("compare", "local", "--env", envs[0], "--env", envs[1], "--now", "--", "python", "-c", work)
    assert done.status == 1
    assert "  so far\nIts whole log: gpubox-tui jobs local logs 20" in done.err
    shown = json.loads(here("jobs", "local", "show", "last", "--json").out)
    assert shown["job"]["spec"]["now"] is True
    assert "slow did not finish: ABRT" in done.out
    assert "its last words: so far" in done.out
    assert "faster" not in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--env", "a", "--env", "b"), "either a --template or a COMMAND"),
        (("--template", "x", "--env", "a"), "make no two sides"),
        (("--template", "style-transfr", "--env", "-", "--env", "-"), "style-transfer"),
        (("--gpus", "none", "--gpus", "0", "--var", "a=b", "--", "true"), "No template"),
        (("--template", "style-transfer", "--gpus", "none", "--gpus", "none", "--var", "sizes=1"), "size"),
        (("--template", "style-transfer", "--gpus", "none", "--gpus", "none", "--var", "size"), "NAME=VALUE"),
    ],
)
@pytest.mark.usefixtures("envs")
def test_wrong_words_are_refused_before_anything_runs(words: tuple[str, ...], said: str) -> None:
    done = here("compare", "local", *words)
    assert done.status == 2
    assert said in done.err
    assert "No jobs" in here("jobs", "local", "list").out


@pytest.mark.usefixtures("envs")
def test_an_environment_that_is_not_there_is_answered_with_those_that_are() -> None:
    done = here("compare", "local", "--env", "slow", "--env", "quik", "--", "true")
    assert done.status != 0
    assert "quick" in done.err


def test_the_help_names_the_templates_option() -> None:
    done = apart("compare", "--help")
    assert done.status == 0
    assert "--template NAME" in done.out


async def test_a_link_that_goes_after_the_runs_costs_only_what_was_still_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def gone(*_: object) -> None:
        raise Dropped("Link lost", "a test cut it")

    def use(_: object) -> SimpleNamespace:
        return SimpleNamespace(page=gone, packages=gone)

    box = cast(
        "Box",
        SimpleNamespace(
            name="xub",
            target=Target("xub", "ssh"),
            use=use,
        ),
    )
    await compare._print_log_end(box, Record("x", "ended", JobSpec("x", ("y",)), 1.0))
    assert await compare._packages(box, [Env("/envs/torch", "torch", "conda")]) == {}
    assert "jobs xub logs x" in capsys.readouterr().err
