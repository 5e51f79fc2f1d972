"""A comparison as JSON, CSV and Markdown: numbers stay numbers, and hostile names do nothing."""

import csv
import json
from io import StringIO

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs.compare.comparison import MEASURES, Measure, compare
from gpubox.boxes.jobs.compare.export import as_csv, as_json, as_markdown, export, text, written
from gpubox.common.metrics import SHOWN
from gpubox.core.record import Record
from tests.boxes.jobs.compare.compared import aborted, on_cpu, on_gpu

HOSTILE = (
    '=HYPERLINK("http://x","a")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "a|b",
    "<b>`x`</b>\n| c",
    "\x1b[31mred",
)


def called(name: str) -> Record:
    record = on_gpu()
    return replace(record, spec=replace(record.spec, env=name, name=name, line=name))


def test_json_holds_raw_numbers_and_the_sentences() -> None:
    reported = json.loads(as_json(compare([on_gpu(6.0), on_cpu(85.2), aborted(on_cpu(99.0, at=1))])))
    gpu, cpu = reported["sides"]
    assert gpu["measures"]["real time"]["mean"] == 6.0
    assert gpu["measures"]["GPU energy"] == {
        "unit": "J",
        "mean": 1860.0,
        "deviation": None,
        "low": 1860.0,
        "high": 1860.0,
        "values": [1860.0],
    }
    assert cpu["measures"]["GPU energy"]["mean"] is None
    assert (cpu["finished"], cpu["ended"]) == (1, ["exit 0", "ABRT, core dumped"])
    assert reported["speedups"][0]["ratio"] == pytest.approx(14.2)
    assert reported["speedups"][0]["words"] == "tf-gpu ran 14.2 x faster than tf-cpu"


def test_csv_has_a_line_for_each_run() -> None:
    rows = list(csv.DictReader(StringIO(as_csv(compare([on_gpu(6.0), on_cpu(85.2), on_cpu(86.0, at=1)])))))
    assert [row["side"] for row in rows] == ["tf-gpu", "tf-cpu", "tf-cpu"]
    assert [float(row["real time [s]"]) for row in rows] == [6.0, 85.2, 86.0]
    assert rows[1]["GPU energy [J]"] == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_the_csv_begins_a_formula(name: str) -> None:
    rows = list(csv.reader(StringIO(as_csv(compare([called(name), on_cpu()])))))
    assert len({len(row) for row in rows}) == 1
    texts = [cell for row in rows[1:] for cell in row[:7]]
    assert [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_the_markdown_table(name: str) -> None:
    import re

    lines = as_markdown(compare([called(name), on_cpu()])).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {4}
    assert not any("<b>" in line or "\x1b" in line for line in lines)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["json", "csv", "markdown", "text"])
def test_no_control_character_leaves_with_any_format(name: str, form: str) -> None:
    reported = export(compare([called(name), on_cpu()]), form)
    assert [sign for sign in reported if sign != "\n" and not sign.isprintable()] == []


def test_the_text_ends_in_the_sentence_that_people_want() -> None:
    lines = text(compare([on_gpu(6.0), on_cpu(85.2)])).splitlines()
    assert lines[0].split() == ["tf-gpu", "tf-cpu"]
    assert "tf-gpu ran 14.2 x faster than tf-cpu" in lines


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_unit_of_a_measure_has_a_format(measure: Measure) -> None:
    assert written(None, measure.unit) == "–"
    assert written(1234.5, measure.unit) not in ("", "1234.5")
    if measure.unit in ("B", "%", "W", "MHz"):  # as the panels show it
        assert written(1234.5, measure.unit) == SHOWN[measure.unit](1234.5)
