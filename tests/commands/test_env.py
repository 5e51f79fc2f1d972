"""`gpubox-tui env` and the environment of `shell`: on this machine, with a home of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import cast

import pytest

from tests.commands.run import Ran, apart, here
from tests.remote.envs.home import Home


@pytest.fixture
def box(tmp_path: Path, home: Path) -> Home:
    """The home that these tests have already, with environments in it."""
    home.rmdir()
    made = Home(tmp_path)
    assert made.path == home
    made.fill(made.root() / "envs" / "torch", {"python": "3.11.4-0", "pytorch": "2.4-cuda124_0"})
    made.fill(made.path / "miniconda3" / "envs" / "torch-cpu", {"python": "3.11.4-0", "pytorch": "2.4-cpu_0"})
    return made


def run(box: Home, *words: str) -> Ran:
    state = {"XDG_STATE_HOME": str(box.path / "state"), "GPUBOX_QUEUE_DIR": str(box.path / "queue")}
    return apart(*words, HOME=str(box.path), GPUBOX_STATE_DIR=str(box.state), CONDA_PREFIX="", **state)


def reported(ran: Ran) -> dict[str, object]:
    assert ran.status == 0, ran.err
    return cast("dict[str, object]", json.loads(ran.out))


def test_the_list_marks_the_chosen_and_the_broken_one(box: Home) -> None:
    (box.path / "miniconda3" / "envs" / "torch-cpu" / "bin" / "python").unlink()
    assert run(box, "env", "local", "use", "torch").err == "local: torch is used for shells and jobs\n"
    lines = run(box, "env", "local", "list").out.splitlines()
    assert [line[:12].split() for line in lines] == [
        ["NAME"],
        ["base"],
        ["*", "torch"],
        ["!", "torch-cpu"],
    ]
    assert "torch 2.4 CUDA 12.4" in lines[2]
    assert "broken: Its Python is listed" in lines[3]


def test_json_has_every_field(box: Home) -> None:
    found = reported(run(box, "env", "local", "list", "--json"))
    assert (found["schema"], found["box"]) == (1, "local")
    envs = cast("list[dict[str, object]]", found["envs"])
    assert [one["name"] for one in envs] == ["base", "torch", "torch-cpu"]
    assert {"prefix", "chosen", "kind", "python", "packages", "builds", "broken", "used", "sight"} <= set(
        envs[0]
    )
    assert cast("list[dict[str, object]]", found["roots"])[0]["flavor"] == "miniconda"


def test_one_is_shown_with_its_packages_and_size(box: Home) -> None:
    shown = run(box, "env", "local", "show", "torch", "--packages", "--size").out
    assert "pytorch  2.4" in shown
    assert "size " in shown
    found = reported(run(box, "env", "local", "show", "torch", "--packages", "--json"))
    packages = cast("list[dict[str, object]]", found["packages"])
    assert [one["name"] for one in packages] == ["python", "pytorch"]


def test_two_are_compared_and_the_status_says_whether_they_differ(box: Home) -> None:
    ran = run(box, "env", "local", "diff", "torch", "torch-cpu")
    assert ran.status == 1
    assert "  pytorch  2.4 cuda124_0 -> 2.4 cpu_0" in ran.out.splitlines()
    assert ran.out.splitlines()[-1] == "1 package is equal"
    assert run(box, "env", "local", "diff", "torch", "torch").status == 0


def test_the_chosen_one_is_active_in_commands_of_the_shell(box: Home) -> None:
    run(box, "env", "local", "use", "torch")
    asked = ("shell", "local", "--", "echo at $CONDA_DEFAULT_ENV")
    assert run(box, *asked).out == "at torch\n"
    assert run(box, "shell", "local", "--no-env", "--", "echo at $CONDA_DEFAULT_ENV").out == "at\n"
    assert run(box, "env", "local", "use", "none").status == 0
    assert run(box, *asked).out == "at\n"


def test_a_chosen_one_that_went_is_an_error_for_a_command(box: Home) -> None:
    run(box, "env", "local", "use", "torch")
    place = box.path / "miniconda3" / "envs"
    os.rename(place / "torch", place / "elsewhere")
    ran = run(box, "shell", "local", "--", "true")
    assert ran.status == 255
    assert "is not there any more" in ran.err
    assert "is not there any more" in run(box, "env", "local", "list").err


def test_base_is_not_removed_and_nothing_goes_without_its_name(box: Home) -> None:
    assert "is not removed" in run(box, "env", "local", "remove", "base", "--confirm", "base").err
    for words in ((), ("--confirm", "torch-cpu")):
        ran = run(box, "env", "local", "remove", "torch", *words)
        assert (ran.status, "Nothing was deleted" in ran.err) == (1, True)
    assert (box.path / "miniconda3" / "envs" / "torch").exists()


def test_a_change_is_a_job_whose_log_and_status_are_passed_on(box: Home) -> None:
    tool = box.path / "miniconda3" / "bin" / "conda"
    tool.write_text('#!/bin/sh\necho "$@"\nexit 4\n')
    ran = run(box, "env", "local", "create", "new", "numpy")
    assert (ran.status, ran.out) == (
        4,
        f"create --yes --prefix {box.path}/miniconda3/envs/new numpy\n",
    )
    record = json.loads(run(box, "env", "local", "clone", "torch", "copy", "--json").out)
    assert (record["job"]["exit_status"], record["job"]["spec"]["argv"][-2]) == (4, "--clone")
    ran = run(box, "env", "local", "create", "torch", "numpy")
    assert (ran.status, ran.out) == (1, f"{box.path}/miniconda3/envs/torch is there already\n")
    ran = run(box, "env", "local", "install", "torch", "x", "--quiet")
    assert (ran.status, ran.out, "install --yes" in ran.err) == (4, "", True)


def test_an_export_is_printed_and_nothing_else(box: Home) -> None:
    tool = box.path / "miniconda3" / "bin" / "conda"
    tool.write_text("#!/bin/sh\necho name: x\necho noise >&2\n")
    ran = run(box, "env", "local", "export", "torch")
    assert (ran.status, ran.out) == (0, "name: x\n")


def test_wrong_words_are_reported_before_anything_is_done(box: Home) -> None:
    assert run(box, "env", "local", "create", "a b").status == 2
    assert run(box, "env", "local", "create", "x", "--from", "/nowhere").status == 2
    ran = run(box, "env", "local", "show", "trch")
    assert (ran.status, "Did you mean torch" in ran.err) == (1, True)


def test_help_names_every_command() -> None:
    text = here("env", "--help").out
    words = (
        "list",
        "use",
        "show",
        "diff",
        "sees",
        "create",
        "clone",
        "install",
        "rename",
        "export",
        "remove",
    )
    for word in words:
        assert f"\n  {word} " in text
