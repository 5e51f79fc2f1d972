"""What is drawn of one job: its figures, its curves, and Slurm's queue."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.queue_view import Partition, QueueRow, QueueView
from gpubox.core.record import Ending, GpuUse, Record, Tick
from gpubox.ui.draw.spans import Line
from gpubox.ui.panels.jobs.curves import draw_curves, resampled
from gpubox.ui.panels.jobs.details import draw_all, draw_head
from gpubox.ui.panels.jobs.phrase import phrase
from gpubox.ui.panels.jobs.queue_window import draw_queue, draw_queues
from tests.parts import NOW
from tests.ui.jobs import ALL, DONE, RUNNING, ticks


def plain(lines: list[Line]) -> str:
    return "\n".join("".join(span.text for span in line) for line in lines)


@pytest.mark.parametrize("one", ALL)
def test_every_state_has_a_sign(one: Record) -> None:
    assert phrase(one).words == wording.state(one)
    assert len(phrase(one).sign) == 1


def test_hostile_names_and_words_are_drawn_safely() -> None:
    spec = replace(
        RUNNING.spec, name="\x1b]0;x\x07[bold]evil\n", line="rm \x1b[2J", env="\x1b[31m", by="\x9b"
    )
    hostile = replace(
        RUNNING, spec=spec, ending=Ending("exec", words="\x1b[2J\x07"), state="ended", cwd="\x1b"
    )
    for lines in (draw_all(hostile, 60), draw_head(hostile, NOW, 60, tall=True)):
        assert all("\x1b" not in span.text and "\x07" not in span.text for row in lines for span in row)
    assert "\x1b" not in wording.name(hostile) + wording.about(hostile)


def test_the_head_says_what_a_job_took_and_what_spoils_its_figures() -> None:
    text = "\n".join("".join(span.text for span in row) for row in draw_head(DONE, NOW, 150, tall=True))
    assert "real 10m 00s · user 18m 50s · sys 42.00 s · 195% CPU · memory 5.0G, largest process 3.0G" in text
    assert "util 91%, 95% while busy" in text
    assert "53.0 Wh" in text
    unused = GpuUse(
        "GPU-1", 0, mean_util=0.0, shared=("python (pid 812, bob)",), throttled={"power_cap": 61.0}
    )
    spoiled = replace(DONE, gpus=(unused,))
    text = "\n".join("".join(span.text for span in row) for row in draw_head(spoiled, NOW, 150, tall=True))
    assert "! it never used GPU 0" in text
    assert "! GPU 0 was shared with python (pid 812, bob)" in text
    assert "! GPU 0 was slowed down for 1m 01s: power cap" in text
    assert len(draw_head(RUNNING, NOW, 78, tall=False)) == 3
    assert "real 10m 00s" in plain(draw_head(DONE, NOW, 78, tall=False))


def test_curves_stand_side_by_side_and_keep_their_gaps() -> None:
    three = draw_curves(RUNNING, ticks(60), 120, 5)
    assert len(three) == 5
    text = "".join(span.text for span in three[0])
    assert "GPU 1 util 97%" in text
    assert "power 149W" in text
    cpu = replace(RUNNING, gpus=())
    assert "CPU 120%" in "".join(span.text for span in draw_curves(cpu, ticks(60, gpu=False), 80, 1)[0])
    assert "no curve yet" in "".join(span.text for span in draw_curves(RUNNING, (), 80, 1)[0])
    assert "ended before" in plain(draw_curves(DONE, (), 80, 1))
    gap = [Tick(float(t), cpu=50.0) for t in (0, 1, 2, 7, 8, 9)]
    values = resampled(gap, lambda tick: tick.cpu, 0.0, 10.0, 10)
    assert [value is None for value in values] == [False] * 3 + [True] * 4 + [False] * 3
    after_an_hour = [Tick(10.0 * n, cpu=float(n), width=10.0) for n in range(10)]
    assert None not in resampled(after_an_hour, lambda tick: tick.cpu, 0.0, 100.0, 40)


def test_a_curve_has_no_gap_behind_its_first_short_reading() -> None:
    begun = [Tick(0.0, cpu=1.0, width=0.05), *(Tick(float(t), cpu=50.0) for t in range(1, 6))]
    assert None not in resampled(begun, lambda tick: tick.cpu, 0.0, 6.0, 24)


def test_a_long_reason_is_reported_to_its_end_on_lines_of_its_own() -> None:
    why = "python3: no such program in PATH; check its name, and the environment. PATH is /usr/bin:/bin"
    never = replace(DONE, ending=Ending("exec", words=why), usage=None)
    drawn = plain(draw_head(never, NOW, 60, tall=False))
    assert "PATH is /usr/bin:/bin" in drawn
    assert max(map(len, drawn.splitlines())) <= 60


def test_what_endangers_a_job_is_reported_while_it_runs() -> None:
    endangered = replace(RUNNING, warning="logout ends it: loginctl enable-linger")
    assert "! logout ends it" in plain(draw_head(endangered, NOW, 80, tall=False))
    assert "logout" not in plain(draw_head(replace(DONE, warning="logout"), NOW, 80, tall=False))


def test_slurms_partitions_and_queue_are_reported_in_words() -> None:
    view = QueueView(
        (Partition("gpu", default=True, limit=3600.0, nodes=4, idle=1, cpus=64, gpus=8, gpus_used=6),
            Partition("old", up=False)),
        (QueueRow("71", "RUNNING", "gpu", "ada", "train", job="x", ran=75.0, gpus=2, where="node1"),
            QueueRow("72", "PENDING", "gpu", "bob\x1b[31m", "big", reason="Resources", submitted=NOW - 65)),
        NOW,
    )  # fmt: skip
    text = plain(draw_queue(view, 100))
    assert "gpu*" in text
    assert "1/4 idle" in text
    assert "2/8 free" in text
    assert "1h 00m" in text
    assert "closed" in text
    assert text.split("running")[1].split()[:4] == ["1m", "15s", "2", "node1"]
    assert text.split("pending")[1].split()[:4] == ["1m", "05s", "–", "Resources"]
    assert "\x1b" not in text
    assert "no queue" in plain(draw_queues({}, 80, ""))
    assert "! sinfo does not answer" in plain(draw_queue(QueueView(trouble="sinfo does not answer"), 80))
