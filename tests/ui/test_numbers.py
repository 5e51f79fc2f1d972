"""Whatever numbers a box sends within its bounds, every list, card, curve and line of them can be drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpubox.boxes.desktops import discovery
from gpubox.boxes.desktops.remote_script import ScriptLine as Said
from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.backends.slurm import parse
from gpubox.boxes.jobs.compare.comparison import compare
from gpubox.boxes.jobs.compare.export import export
from gpubox.boxes.jobs.list_decoder import ListDecoder
from gpubox.boxes.jobs.queue_view import QueueView
from gpubox.commands import env_report, job_report, report
from gpubox.common.series import readings
from gpubox.config.settings import Settings, Thresholds
from gpubox.core.decode import decode
from gpubox.core.env import Env, Envs
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.history import History
from gpubox.core.record import Record, Tick
from gpubox.core.sample import Sample
from gpubox.ui.draw.table import Column
from gpubox.ui.panels.desktop import table as desktop_table
from gpubox.ui.panels.envs import table as env_table
from gpubox.ui.panels.gpus import card, faults
from gpubox.ui.panels.gpus import details as gpu_details
from gpubox.ui.panels.gpus import table as gpu_table
from gpubox.ui.panels.history import graphs as history_graphs
from gpubox.ui.panels.host import text as host_text
from gpubox.ui.panels.jobs import (
    compare_graphs,
    curves,
    queue_window,
)
from gpubox.ui.panels.jobs import (
    details as job_details,
)
from gpubox.ui.panels.jobs import (
    table as job_table,
)
from gpubox.ui.panels.processes import table as process_table
from tests.core import wire
from tests.samples import BUILDERS

T = TypeVar("T")
NOW = 1_700_000_000.0
WIDTHS = (30, 80, 140)
often = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def of(kind: type[T]) -> st.SearchStrategy[T]:
    """Return values of a type as they come out of its decoder."""
    decoder = msgspec.json.Decoder(kind)
    reported = wire.values(msgspec.inspect.type_info(kind))
    return reported.map(lambda value: decoder.decode(json.dumps(value).encode()))


def list_all(columns: Sequence[Column[T]], items: Iterable[T]) -> None:
    """Draw and sort each cell of a list."""
    for item in items:
        for column in columns:
            column.cell(item)
    for column in columns:
        found = [value for item in items if (value := column.sort(item)) is not None]
        assert len(sorted(found)) == len(found)


def draw_sample(sample: Sample, chosen: Settings) -> None:
    """Draw a reading everywhere."""
    history = History()
    history.put(NOW, dict(readings(sample)))
    list_all(gpu_table.columns(chosen, history, lambda: NOW), sample.gpus)
    list_all(process_table.columns(lambda: NOW), sample.processes)
    process_table.totals(sample.processes)
    report.as_lines("attic", sample)
    report.as_json("attic", sample)
    for width in WIDTHS:
        host_text.draw_host(sample, chosen, width)
        faults.draw_faults(sample, width, 10)
        for process in sample.processes:
            process_table.draw_details(sample, process, width, 20)
        for gpu in sample.gpus:
            limits = chosen.limits.for_gpu(gpu)
            for height in (3, 5, 10):
                card.card(card.Card(gpu, limits, history, NOW, 60), width, height)
            gpu_details.draw_details(Feed[Sample | None](sample), gpu.index, chosen, width, 40)
            graphs = history_graphs.of_gpu(gpu, chosen) + history_graphs.of_host(chosen)
            history_graphs.draw_graphs(graphs, history_graphs.View(history, NOW, 60, 3.0), width, 20)


ZERO = Settings(thresholds=Thresholds(temperature=(0, 0), memory=(0, 0), host_memory=(0, 0), disk=(0, 0)))


@often
@given(of(Sample), st.sampled_from([Settings(), ZERO]))
def test_every_reading_can_be_drawn(sample: Sample, chosen: Settings) -> None:
    draw_sample(sample, chosen)


@pytest.mark.parametrize("slowdown", [0, -40, 1e18])
@pytest.mark.parametrize("chosen", [Settings(), ZERO], ids=["default", "zero"])
def test_a_card_that_slows_down_at_no_temperature_is_drawn(slowdown: float, chosen: Settings) -> None:
    line = msgspec.to_builtins(BUILDERS["training_box"]())
    for gpu in line["gpus"]:
        gpu["temperature_slowdown"] = slowdown
    draw_sample(decode(json.dumps(line).encode()), chosen)


def draw_records(records: Sequence[Record], ticks: Sequence[Tick]) -> None:
    """Draw jobs everywhere."""
    list_all(job_table.COLUMNS, [job_table.JobRow(record, False, NOW) for record in records])
    job_report.rows(records)
    for record in records:
        job_report.details(record)
        wording.state_sentence(record)
        wording.ending_sentence(record)
        for width in WIDTHS:
            job_details.draw_head(record, NOW, width, tall=True)
            job_details.draw_all(record, width)
            for height in (1, 4, 9):
                curves.draw_curves(record, ticks, width, height)
    for kind in compare_graphs.kinds([ticks]):
        compare_graphs.draw_graphs(["a", "b"], [ticks, ticks[:1]], kind, 80, 12)
    if records:
        for form in ("text", "json", "csv", "markdown"):
            export(compare(records), form)


@often
@given(st.lists(of(Record), max_size=3), st.lists(of(Tick), max_size=4))
def test_every_job_and_its_curves_can_be_drawn(records: list[Record], ticks: list[Tick]) -> None:
    draw_records(records, ticks)


def test_curves_whose_seconds_go_backwards_are_drawn() -> None:
    record = Record("20260101-000000-abcd", "running", msgspec.json.decode(SPEC, type=Record).spec, NOW)
    ticks = [Tick(t, cpu=50.0, rss=1 << 20) for t in (900.0, 10.0, -1e18, 1e18, 3.0)]
    draw_records([record], ticks)
    for times in ((0.0, -1e18, 1e-300), (1e-300, 253402300799.0, -1.0)):  # a span of nothing
        draw_records([record], [Tick(t, log=0, cpu=0.0) for t in times])
    assert len(curves.resampled(ticks, lambda tick: tick.cpu, ticks[0].t, 3600.0, 40)) == 40


SPEC = b'{"id":"20260101-000000-abcd","state":"queued","submitted":1,"spec":{"id":"x","argv":["x"]}}'


@given(
    st.sampled_from(["submitted", "started", "ended", "now", "ahead", "log_bytes", "activation"]),
    st.sampled_from(wire.OUTSIDE[:5]),
)
@example("submitted", b"1.7e308")
@example("ahead", b"1" + b"0" * 400)
def test_a_record_with_a_number_of_no_box_is_left_out_of_the_list(field: str, number: bytes) -> None:
    bad = SPEC.replace(b'"submitted":1', b'"submitted":1,"%s":%s' % (field.encode(), number))
    listing = ListDecoder().read(b'{"now":5,"jobs":[%s,%s]}' % (bad, SPEC))
    assert len(listing.jobs) == 1
    draw_records(listing.jobs, ())


@pytest.mark.parametrize("number", wire.OUTSIDE, ids=range(len(wire.OUTSIDE)))
def test_a_list_of_jobs_with_a_number_of_no_box_is_refused_in_words(number: bytes) -> None:
    with pytest.raises(GpuBoxError, match="Jobs cannot be read"):
        ListDecoder().read(b'{"now":%s,"jobs":[]}' % number)


@often
@given(of(Envs))
def test_every_environment_can_be_drawn(envs: Envs) -> None:
    rows = env_table.rows(envs, None, (), None)
    list_all(env_table.COLUMNS, rows)
    for row in rows:
        env_table.why(row)
    draw_envs(envs.envs)


def draw_envs(envs: Sequence[Env]) -> None:
    """Print environments."""
    env_report.rows(envs, None, NOW)
    for env in envs:
        env_report.details(env, NOW)


DIGITS = (
    "0",
    "1",
    "-1",
    "9" * 18,
    "9" * 19,
    "9" * 400,
    "9" * 5000,
    "1.5K",
    "1-02:03:04",
    "9" * 30 + ":0",
    "x",
)
cell = st.sampled_from(
    [*DIGITS, "UNLIMITED", "gpu:a100:" + "9" * 300, "node[1-" + "9" * 300 + "]", "1/2/3/4"]
)


def cells(fields: str) -> st.SearchStrategy[list[str]]:
    """Return rows of as many cells as Slurm is asked for."""
    width = len(fields.split())
    return st.lists(cell, min_size=width, max_size=width)


@often
@given(
    st.lists(cells(parse.QUEUE), max_size=3),
    st.lists(cells(parse.SINFO), max_size=3),
)
def test_every_queue_of_slurm_can_be_drawn(jobs: list[list[str]], nodes: list[list[str]]) -> None:
    rows = parse.queue(jobs)
    view = QueueView(parse.partitions(nodes, rows), rows, NOW)
    for width in WIDTHS:
        queue_window.draw_queue(view, width)
    parse.accounted("|".join(["7", *(line[0] for line in jobs), "0:0"]), "7")


@often
@given(st.lists(st.sampled_from(DIGITS), min_size=6, max_size=6))
@example(["9" * 400] * 6)
def test_every_desktop_can_be_drawn(words: list[str]) -> None:
    lines = [
        Said("clock", f"{words[0]} {words[1]}"),
        Said("process", f"{words[2]} 1 {words[3]} ada Xvnc\x1fXvnc\x1f:{words[4]}\x1f-depth\x1f{words[5]}"),
        Said("process", f"7 1 {words[3]} ada Xvnc\x1fXvnc\x1f:1\x1f-rfbport\x1f{words[5]}\x1f"),
        Said("sockets", f"{words[2]} 5"),
        Said("listens", f"5 00000000:{words[4]}"),
        Said("ours", f"{words[2]}\x1ffolder\x1fsession"),
    ]
    list_all(desktop_table.columns(lambda: NOW, lambda _: ""), discovery.read(lines))
