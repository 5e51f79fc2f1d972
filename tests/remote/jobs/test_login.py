"""Jobs that begin with the environment of a login: what they get of it, and what stays of it on the disk."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from gpubox.core.record import Record
from tests.remote.jobs.box import Box, new_id
from tests.remote.jobs.test_parts import with_envs

SECRET = "5ecret-value-of-a-login"
BASE: Mapping[str, str] = {
    "PATH": "/login/bin:/usr/bin:/bin", "HF_HOME": SECRET, "LC_CTYPE": "C.UTF-8", "ODD": "\udc80\n='",
    "BASH_FUNC_module%%": "() { echo loaded; }", "SSH_CONNECTION": "gone",
}  # fmt: skip


def launched(
    box: Box, *argv: str, base: Mapping[str, str] = BASE, unread: str = "", **spec: object
) -> Record:
    whole = {"id": new_id(), "argv": argv, "grace": 1.0, **spec}
    more = {"base": base} if base else {}
    return box.record(box.ask("launch", spec=whole, unread=unread, **more))


def on_disk(box: Box, job: str) -> bytes:
    files = [path for path in box.folder(job).rglob("*") if path.is_file() and path.name != "log"]
    assert len(files) >= 2
    return b"".join(path.read_bytes() for path in files)


def with_uv(box: Box) -> str:
    """Put a program where only a login finds it."""
    tool = box.home / ".local" / "bin" / "uv"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (box.home / ".profile").write_text('echo Welcome; export PATH="$HOME/.local/bin:$PATH"\n')
    box.environment["SHELL"] = "/bin/sh"
    return str(tool)


def explained(box: Box, job: str) -> Record:
    return box.until(job, lambda record: record.state == "ended" and not record.explaining)


def test_a_job_begins_with_a_logins_variables_and_no_others(any_box: Box) -> None:
    box = any_box
    box.environment["BARE"] = "1"
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    made = launched(box, box.python, "-c", script, environment={"HF_HOME": "own", "MORE": "x"})
    seen = json.loads(box.log(box.ended(made.id).id))
    assert {name: seen.get(name) for name in (*BASE, "MORE", "BARE", "GPUBOX_JOB")} == {
        **BASE, "HF_HOME": "own", "MORE": "x", "BARE": None, "SSH_CONNECTION": None, "GPUBOX_JOB": made.id,
    }  # fmt: skip


def test_functions_of_a_login_reach_a_jobs_bash(box: Box) -> None:
    assert box.log(box.ended(launched(box, "bash", "-c", "module").id).id) == b"loaded\n"


def test_nothing_of_a_login_is_on_the_disk(box: Box) -> None:
    made = launched(box, "sh", "-c", "exit 3", prefix="", results=["*"])
    assert box.ended(made.id).ending is not None
    assert SECRET.encode() not in on_disk(box, made.id)
    assert b"HF_HOME" not in on_disk(box, made.id)
    assert SECRET not in json.dumps(box.ask("show", id=made.id))


def test_an_environment_is_activated_on_top_of_a_login(box: Box) -> None:
    with_envs(box)
    line = 'echo "$CONDA_PREFIX $HF_HOME $PATH $LC_CTYPE"'
    made = launched(box, "sh", "-c", line, prefix="/e/own", kind="uv")
    assert box.log(box.ended(made.id).id).decode() == f"/e/own {SECRET} /e/own/bin:{BASE['PATH']} C.UTF-8\n"
    assert SECRET.encode() not in on_disk(box, made.id)


def test_without_a_login_the_job_runs_and_says_why(box: Box) -> None:
    made = launched(box, "true", base={}, unread="A login could not be read: it hangs")
    assert box.ended(made.id).warning == "A login could not be read: it hangs"


@pytest.mark.parametrize("base", [{"": "x"}, {"a=b": "x"}, {"a": "\0"}, {"a": 1}, ["a"]])
def test_what_is_no_environment_is_refused(box: Box, base: object) -> None:
    words = box.refused("launch", spec={"id": new_id(), "argv": ["true"]}, base=base)
    assert words.startswith("Not a job: ")


@pytest.mark.parametrize("argv", [("uv", "sync"), ("sh", "-c", "echo begin; uv sync")])
def test_where_a_login_finds_a_program_is_reported(any_box: Box, argv: tuple[str, ...]) -> None:
    box = any_box
    place = with_uv(box)
    made = launched(box, *argv, base={}, login=False)
    record = explained(box, made.id)
    assert record.ending is not None
    assert record.ending.why == f"A login shell finds uv in its PATH: {place}"
    assert not record.spec.login


@pytest.mark.parametrize(("program", "login"), [("uw", False), ("uv", True)])
def test_nothing_is_reported_of_what_a_login_lacks_or_of_what_had_a_login(
    box: Box, program: str, login: bool
) -> None:
    with_uv(box)
    record = explained(box, launched(box, program, base={}, login=login).id)
    assert record.ending is not None
    assert (record.ending.how, record.ending.why) == ("exec", "")


def test_a_prepared_job_keeps_why_a_login_could_not_be_read(box: Box) -> None:
    spec = {"id": new_id(), "argv": ["true"], "backend": "slurm"}
    made = box.record(box.ask("prepare", spec=spec, base=dict(BASE), unread="It hangs"))
    assert made.warning == "It hangs"
    assert SECRET.encode() not in on_disk(box, made.id)
