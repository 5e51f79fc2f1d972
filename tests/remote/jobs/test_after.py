"""A job may wait for another one to end."""

from __future__ import annotations

import os

from tests.remote.jobs.box import Box, kill, new_id
from tests.remote.jobs.test_queue import queued


def test_a_job_starts_after_another_succeeded(any_box: Box) -> None:
    os.mkfifo(any_box.home / "fifo")
    first = any_box.launch("sh", "-c", "read x < fifo; exit 0", name="prepare", cwd=str(any_box.home))
    second = any_box.launch("true", after=first.id)
    assert queued(any_box, second.id).waits == "job prepare to end"
    (any_box.home / "fifo").write_text("go\n")
    ending = any_box.ended(second.id).ending
    assert ending
    assert (ending.how, ending.code) == ("exit", 0)


def test_a_job_does_not_start_after_one_that_failed(any_box: Box) -> None:
    first = any_box.run("sh", "-c", "exit 3", name="prepare")
    ending = any_box.run("true", after=first.id).ending
    assert ending
    assert (ending.how, ending.words) == ("after", "Job prepare ended with exit code 3")
    ending = any_box.run("true", after=first.id, after_any=True).ending
    assert ending
    assert ending.how == "exit"


def test_a_job_after_one_whose_supervisor_is_killed_is_reported_so(box: Box) -> None:
    first = box.launch("sleep", "100")
    second = box.launch("true", after=first.id)
    queued(box, second.id)
    assert first.supervisor
    assert first.main
    kill(first.supervisor.pid)
    assert box.show(second.id).state == "queued"  # the first one's command still runs
    kill(first.main.pid)
    ending = box.ended(second.id).ending
    assert ending
    assert ending.how == "after"


def test_a_job_after_one_that_is_not_there_ends(box: Box) -> None:
    ending = box.run("true", after=new_id()).ending
    assert ending
    assert ending.how == "after"
    assert "has no record" in ending.words
