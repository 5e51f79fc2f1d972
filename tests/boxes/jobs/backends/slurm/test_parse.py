"""What Slurm's commands print, and what is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.jobs.backends.slurm import messages as words
from gpubox.boxes.jobs.backends.slurm import parse as text
from gpubox.boxes.jobs.backends.slurm.parse import AccountedJob
from gpubox.boxes.jobs.queue_view import QueueRow
from gpubox.core.record import Ending, exit_status
from tests.boxes.jobs.backend import job

NOW = 1_763_901_234.0


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("5", 5),
        ("3:04", 184),
        ("1:03:04", 3784),
        ("2-00:00:00", 172800),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("UNLIMITED", None),
        ("infinite", None),
        ("N/A", None),
        ("", None),
        ("INVALID", None),
    ],
)
def test_durations_of_all_forms_are_read(given: str, seconds: float | None) -> None:
    assert text.seconds(given) == seconds


def test_a_hostile_name_stays_a_name() -> None:
    lines = "<r>7<c>PENDING<c>x\n8|FAILED|no <r\n<r>8<c>RUNNING<c>ok\n"
    rows = text.table(lines, "<r>", "<c>", 3)
    assert [row[:2] for row in rows] == [["7", "PENDING"], ["8", "RUNNING"]]
    assert "\n" not in rows[0][2]


def test_the_queue_is_read_with_its_blanks() -> None:
    cells = "12 PENDING main bob gpubox:20261123-120000-abcd Resources 0:00 1-00:00:00 1 4 gres:gpu:2"
    row = [*cells.split(" "), "", "N/A", "1763901100", "my job"]
    (found,) = text.queue([row])
    assert found == QueueRow(
        id="12",
        state="PENDING",
        partition="main",
        user="bob",
        name="my job",
        job="20261123-120000-abcd",
        reason="Resources",
        ran=0.0,
        limit=86400.0,
        nodes=1,
        cpus=4,
        gpus=2,
        submitted=1_763_901_100.0,
    )


def test_partitions_are_put_together_from_the_states_of_their_nodes() -> None:
    running = QueueRow("1", "RUNNING", "gpu", gpus=3, nodes=1)
    rows = [
        ["gpu*", "up", "2-00:00:00", "3", "idle", "0/96/0/96", "gpu:a100:4", "a[1-3]", "none"],
        ["gpu*", "up", "2-00:00:00", "1", "mixed", "20/12/0/32", "gpu:h100:8(S:0-1)", "h1", "none"],
        ["gpu*", "up", "2-00:00:00", "1", "drained*", "0/0/32/32", "gpu:a100:4", "a4", "Kill task failed"],
        ["old", "inact", "infinite", "2", "allocated", "8/0/0/8", "(null)", "old[1-2]", "none"],
    ]
    gpu, old = text.partitions(rows, (running,))
    assert (gpu.name, gpu.default, gpu.up, gpu.limit) == ("gpu", True, True, 172800.0)
    assert (gpu.nodes, gpu.idle, gpu.down, gpu.cpus, gpu.cpus_used) == (5, 3, 1, 160, 20)
    assert (gpu.gpus, gpu.gpus_used, gpu.kinds) == (24, 3, ("a100", "h100"))
    assert gpu.reasons == ("a4 drained: Kill task failed",)
    assert (old.default, old.up, old.limit, old.gpus) == (False, False, None, 0)


@pytest.mark.parametrize(
    ("written", "nodes"),
    [
        ("", set[str]()),
        ("vm", {"vm"}),
        ("gpu[08-10,3],login", {"gpu08", "gpu09", "gpu10", "gpu3", "login"}),
        ("a[1-2]-x,b", {"a1-x", "a2-x", "b"}),
    ],
)
def test_a_list_of_nodes_is_read(written: str, nodes: set[str]) -> None:
    assert text.hosts(written) == nodes
    assert len(text.hosts("n[1-999999999]")) < 20_000


def test_a_gpu_that_a_job_of_another_partition_has_is_not_free() -> None:
    rows = [
        ["main*", "up", "infinite", "2", "mixed", "1/15/0/16", "gpu:2", "n[1-2]", "none"],
        ["short", "up", "10:00", "1", "mixed", "1/15/0/16", "gpu:2", "n1", "none"],
        ["other", "up", "10:00", "1", "idle", "0/8/0/8", "gpu:2", "m1", "none"],
    ]
    jobs = (
        QueueRow("1", "RUNNING", "main", gpus=2, nodes=2, where="n[1-2]"),
        QueueRow("2", "PENDING", "main"),
    )
    assert [one.gpus_used for one in text.partitions(rows, jobs)] == [2, 1, 0]
    hidden = {"n1": 2, "n2": 1, "m1": 0}  # what jobs have that one may not see
    assert [one.gpus_used for one in text.partitions(rows, jobs, hidden)] == [3, 2, 0]


LINE = (
    "JobId=1 JobName=segv UserId=ada(1002) GroupId=ada(1002) JobState={state} Reason={reason} "
    "ExitCode={code} RunTime={ran} StartTime=1763901000 EndTime=1763901200 NodeList=node7 "
    "WorkDir=/h/JobState=X"
)


def test_what_scontrol_says_of_an_ended_job_is_read() -> None:
    found = text.ended(LINE.format(state="FAILED", reason="JobLaunchFailure", code="0:11", ran="00:00:09"))
    assert found == AccountedJob(
        "FAILED", "", 0, 11, 1_763_901_200.0, 1_763_901_000.0, "node7", "JobLaunchFailure"
    )
    never = text.ended(LINE.format(state="CANCELLED", reason="None", code="0:0", ran="00:00:00"))
    assert never is not None
    assert never.started is None
    assert text.ended("slurm_load_jobs error: Invalid job id specified") is None


def test_what_sacct_says_is_read_for_the_right_job_alone() -> None:
    lines = "11|COMPLETED|0:0|1763901200|1763901000|n1\n"
    lines += "12|CANCELLED by 1002|0:15|1763901200|1763901200|None assigned\n"
    found = text.accounted(lines, "12")
    assert found == AccountedJob("CANCELLED", "1002", 0, 15, 1_763_901_200.0, None, "", "")
    assert text.accounted(lines, "13") is None
    assert text.accounted("Slurm accounting storage is disabled\n", "12") is None


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Resources", "free resources"),
        ("(Resources)", "free resources"),
        ("ReqNodeNotAvail, UnavailableNodes:n1", "nodes that are down or reserved"),
        ("QOSMaxGRESPerUser", "a limit: QOSMax GRESPer User"),
        ("SomethingNew", "Something New"),
        ("", "Slurm to look at it"),
    ],
)
def test_why_a_job_waits_is_said_in_plain_words(reason: str, said: str) -> None:
    assert words.waits(QueueRow("1", "PENDING", reason=reason), NOW) == said


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (60, "; expected to start within two minutes"),
        (1200, "; expected to start in about 20 minutes"),
        (3 * 3600, "; expected to start in about 3 hours"),
        (3 * 86400, "; expected to start in about 3 days"),
        (360 * 86400, ""),
        (-5, ""),
    ],
)
def test_an_expected_start_is_reported_only_when_it_is_sane(later: float, said: str) -> None:
    row = QueueRow("1", "PENDING", reason="Priority", start=NOW + later)
    assert words.waits(row, NOW) == "jobs with a higher priority" + said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (AccountedJob("TIMEOUT"), "Slurm's time limit passed"),
        (
            AccountedJob("OUT_OF_MEMORY", where="n1"),
            "It took more memory than Slurm gave it on n1, and was killed",
        ),
        (AccountedJob("NODE_FAIL", where="n1"), "The node failed on n1"),
        (AccountedJob("CANCELLED", by="1002"), "It was canceled by user 1002"),
        (AccountedJob("CANCELLED", by="0"), "It was canceled by root"),
        (
            AccountedJob("FAILED", signal=11, reason="JobLaunchFailure"),
            "It failed before it could be noted how: signal 11",
        ),
        (AccountedJob("FAILED", signal=9), "It failed before it could be noted how: signal 9"),
        (
            AccountedJob("FAILED", code=1, reason="NonZeroExitCode"),
            "It failed before it could be noted how: status 1",
        ),
        (AccountedJob("STRANGE_NEW"), "Slurm says STRANGE_NEW"),
    ],
)
def test_how_a_job_ended_is_said_in_plain_words(found: AccountedJob, said: str) -> None:
    assert words.ending(found) == said


@pytest.mark.parametrize(
    ("state", "ending", "said"),
    [
        ("CANCELLED", Ending("exit", 0), True),
        ("CANCELLED by 0", Ending("exit", 1), True),
        ("TIMEOUT", Ending("exit", 0), True),
        ("OUT_OF_MEMORY", Ending("signal", signal="KILL"), True),
        ("OUT_OF_MEMORY", Ending("exit", 0), False),
        ("COMPLETED", Ending("exit", 0), False),
        ("FAILED", Ending("exit", 3), False),
    ],
)
def test_what_slurm_ended_is_reported_from_what_ended_by_itself(
    state: str, ending: Ending, said: bool
) -> None:
    assert words.forced(AccountedJob(state), job(1, "ended", ending=ending)) is said


def test_a_stopped_job_that_exits_with_0_is_no_success_for_a_shell() -> None:
    assert exit_status(job(1, "ended", ending=Ending("exit", 0))) == 0
    assert exit_status(job(1, "ended", ending=Ending("stopped", 0, by="scancel"))) == 125
    assert exit_status(job(1, "ended", ending=Ending("queue", 0))) == 125
    assert exit_status(job(1, "ended", ending=Ending("stopped", signal="TERM"))) == 143


@given(st.text(), st.text())
def test_nothing_that_is_printed_breaks_the_readers(some: str, other: str) -> None:
    text.seconds(some)
    text.moment(some)
    text.ended(some)
    text.accounted(f"1|{some}|{other}|1|1|n", "1")
    text.queue([[some, *[other] * 14]])
    text.partitions([[some, other, some, other, some, other, some, other, some]], ())
    words.waits(QueueRow("1", some, reason=other), NOW)
    words.ending(AccountedJob(some, by=other))
