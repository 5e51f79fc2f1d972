"""Commands of a fix: run in order, undone in reverse, and taken back when one of them fails."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from gpubox.remote.fixes import programs
from tests.remote.fixes.program import FixesProgram, Refusal, Row, edit, tree


def noting(log: Path, word: str, *, status: int = 0) -> list[str]:
    """Return a command that notes a word and the content of the file beside the log."""
    return [
        "sh",
        "-c",
        f'echo "{word} $(cat {log.parent}/etc/one.conf)" >> {log}; echo "{word} says so" >&2; exit {status}',
    ]


def steps(log: Path, *names: str, **more: object) -> list[Row]:
    return [{"do": noting(log, f"do {name}"), "undo": noting(log, f"undo {name}"), **more} for name in names]


def test_commands_follow_the_files_and_are_undone_before_them(
    fixes: FixesProgram, etc: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    last = steps(log, "c", undo_after_files=True)
    fixes.apply(files=[edit(etc / "one.conf", "new\n")], commands=[*steps(log, "a", "b"), *last])
    assert log.read_text().splitlines() == ["do a new", "do b new", "do c new"]
    log.unlink()
    fixes.ask("undo", id="some-fix")
    assert log.read_text().splitlines() == ["undo b new", "undo a new", "undo c first"]
    assert fixes.ask("list")["entries"][0]["commands"][0][0] == "sh"


def test_a_command_that_fails_takes_everything_back(fixes: FixesProgram, etc: Path, tmp_path: Path) -> None:
    log, before = tmp_path / "log", tree(etc)
    failing: Row = {"do": noting(log, "do c", status=3), "undo": noting(log, "undo c")}
    commands = [*steps(log, "a", "b"), failing, *steps(log, "d")]
    with pytest.raises(Refusal) as found:
        fixes.apply(files=[edit(etc / "one.conf", "new\n")], commands=commands)
    assert found.value.row["title"] == "A command failed"
    assert "do c says so" in found.value.row["text"]
    reported = [line.rpartition(" ")[0] for line in log.read_text().splitlines()]
    assert reported == ["do a", "do b", "do c", "undo c", "undo b", "undo a"]
    assert tree(etc) == before
    assert fixes.state() == "undone"
    assert "do c says so" in fixes.ask("list")["entries"][0]["why"]


def test_an_undo_that_fails_is_reported_and_the_rest_is_undone(
    fixes: FixesProgram, etc: Path, tmp_path: Path
) -> None:
    log, before = tmp_path / "log", tree(etc)
    bad: Row = {"do": ["true"], "undo": noting(log, "undo b", status=1)}
    fixes.apply(files=[edit(etc / "one.conf", "new\n")], commands=[*steps(log, "a"), bad])
    answer = fixes.ask("undo", id="some-fix")
    assert answer["state"] == "undone"
    assert len(answer["left"]) == 1
    assert "undo b says so" in answer["left"][0]
    assert tree(etc) == before
    assert "undo a" in log.read_text()


def test_a_program_that_is_not_here_is_named(fixes: FixesProgram) -> None:
    with pytest.raises(Refusal, match="no-such-program is not installed here"):
        fixes.apply(commands=[{"do": ["no-such-program"], "undo": []}])


def test_a_command_without_undo_is_left_as_it_is(fixes: FixesProgram) -> None:
    fixes.apply(commands=[{"do": ["true"], "undo": []}])
    assert fixes.ask("list")["entries"][0]["state"] == "done"  # so that nobody is offered to undo it
    assert fixes.ask("undo", id="some-fix")["left"] == []


def test_a_fix_of_which_a_part_is_undone_can_be_undone(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply(commands=[{"do": ["true"], "undo": []}, {"do": ["true"], "undo": ["true"]}])
    fixes.apply("other-fix", files=[edit(etc / "one.conf", "new\n")], commands=[{"do": ["true"], "undo": []}])
    assert [entry["state"] for entry in fixes.ask("list")["entries"]] == ["applied", "applied"]


def test_a_command_gets_no_stdin_and_does_not_wait_for_what_it_starts(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f'read line; echo "got: $line"; (read word < {fifo}; echo late) & exit 4'
    status, out, _ = programs.run(["sh", "-c", script], 60.0)
    fifo.write_text("end\n")
    assert (status, out) == (4, "got: \n")


def test_a_command_that_does_not_end_is_killed() -> None:
    status, _, err = programs.run(["sleep", "1000"], 0.1)
    assert status < 0
    assert "took more than" in err


def test_another_request_at_work_is_waited_for_and_then_named(
    fixes: FixesProgram, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpubox.remote.fixes.journal import FixJournal
    from gpubox.remote.json_io import Refused

    fixes.apply(files=[edit(etc / "one.conf", "new\n")])
    with FixJournal(create=False, folder=str(fixes.journal)):
        other = FixJournal(create=False, folder=str(fixes.journal), patience=0.0)
        with pytest.raises(Refused, match="not ended"):
            other.__enter__()
    with (fixes.journal / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
