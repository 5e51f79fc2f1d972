"""What is said of a job: the same words in the panel and on the command line."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.facts import facts
from gpubox.commands.job_report import details, rows
from gpubox.core.job import GpuRequest
from gpubox.core.record import Ending, Record
from gpubox.ui.panels.jobs import table
from gpubox.ui.panels.jobs.details import draw_all
from tests.parts import NOW
from tests.ui.jobs import ALL, DONE, RUNNING, WAITING, queued, record

ENDINGS = [
    (Ending("exit", 0), "done", "exit 0"),
    (Ending("exit", 3, why="no AVX-512"), "failed", "exit 3 (no AVX-512)"),
    (Ending("signal", signal="SEGV", core=True), "failed", "SEGV, core dumped"),
    (
        Ending("signal", signal="KILL", why="the kernel was out of memory"),
        "failed",
        "KILL (the kernel was out of memory)",
    ),
    (Ending("stopped", by="ada@laptop", signal="TERM"), "stopped", "stopped by ada@laptop"),
    (Ending("limit", words="Its time limit of 1 s passed"), "failed", "its time limit of 1 s passed"),
    (Ending("exec", words="nosuch: No such file"), "failed", "could not be started: nosuch: No such file"),
    (
        Ending("exec", words="nosuch: No such file", why="nosuch: no such program in PATH"),
        "failed",
        "could not be started: nosuch: no such program in PATH",
    ),
    (Ending("env", words="activate.d failed"), "failed", "its environment cannot be used: activate.d failed"),
    (Ending("folder", words="/gone"), "failed", "its folder could not be entered: /gone"),
    (
        Ending("after", words="prepare ended with exit 1"),
        "failed",
        "the job before it did not succeed: prepare ended with exit 1",
    ),
    (Ending("queue", by="Slurm", words="node failed"), "failed", "ended by Slurm: node failed"),
    (Ending("reboot"), "lost", "the box rebooted"),
    (Ending("lost"), "lost", "its supervisor was killed"),
]


@pytest.mark.parametrize(("ending", "word", "said"), ENDINGS)
def test_every_ending_is_reported_in_words(ending: Ending, word: str, said: str) -> None:
    over = replace(DONE, ending=ending)
    assert wording.state(over) == word
    assert wording.about(over) == said
    assert wording.ending_sentence(over) == f"prepare ended: {said} after 10m 00s on GPU 1"


def test_an_ended_job_without_an_ending_says_so() -> None:
    unknown = replace(DONE, ending=None)
    assert (wording.state(unknown), wording.about(unknown)) == ("ended", "outcome unknown")


def test_a_job_that_begins_is_reported_in_a_sentence() -> None:
    assert wording.state_sentence(RUNNING) == "train is running on GPU 1"
    assert wording.state_sentence(WAITING) == (
        "finetune is queued: 1 before it · waits for 1 free GPU; GPU 0: python (pid 812, bob, 642 MiB)"
    )
    assert wording.state_line(replace(RUNNING, orphaned=True)) == "running · without its supervisor"


def test_a_number_of_gpus_is_not_mistaken_for_the_index_of_one() -> None:
    assert wording.gpus(record("train")) == "1"
    assert wording.gpus(queued("train")) == "×1"
    assert wording.gpus_in_full(queued("train")) == "1 free"
    two = GpuRequest("chosen", uuids=("a", "b"))
    chosen = queued("train", spec=replace(record("train").spec, gpus=two))
    assert (wording.gpus(chosen), wording.gpus_in_full(chosen)) == ("×2", "2 chosen")


@pytest.mark.parametrize(
    ("request_", "short", "full"),
    [(GpuRequest("none"), "CPU", "none"), (GpuRequest("any"), "all", "all")],
)
def test_a_job_without_a_lease_says_what_it_requests(request_: GpuRequest, short: str, full: str) -> None:
    one = replace(RUNNING, gpus=(), spec=replace(RUNNING.spec, gpus=request_))
    assert (wording.gpus(one), wording.gpus_in_full(one)) == (short, full)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.spec.name)
def test_the_panel_and_the_command_line_use_the_same_words(one: Record) -> None:
    row = table.JobRow(one, marked=False, now=NOW)
    cells = {
        column.name: "".join(span.text for span in drawn) if not isinstance(drawn, str) else drawn
        for column in table.COLUMNS
        for drawn in [column.cell(row)]
    }
    line = rows([one])[1]
    assert f"  {cells['gpu']}  " in line
    assert f"  {cells['time']}  " in line
    assert (cells["state"].split()[-1] if one.ending is None else wording.outcome(one)) in line
    window = " ".join("".join(span.text for span in drawn) for drawn in draw_all(one, 200))
    listed = "\n".join(details(one))
    for fact in facts(one):
        assert " ".join(fact.text.split()) in window
        assert fact.text in listed
