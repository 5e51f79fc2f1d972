"""docs/metrics.md lists every metric with its names, in the words of the code."""

from __future__ import annotations

from collections.abc import Iterator

from gpubox.common.metrics import DISK, GPU, HOST, METRICS
from gpubox.common.prometheus.dcgm import DCGM_FIELDS
from gpubox.common.prometheus.endpoint import ADDRESS, PATH, PORT
from gpubox.common.prometheus.frame import GPU_EXTRAS, OTHER_EXTRAS, SERVICE_EXTRAS, Extra
from gpubox.common.prometheus.naming import LEFT_OUT, of_metric
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "metrics.md"
REFRESH = "python -m tests.common.prometheus.test_page"
FIRST = "## GPU\n"
"""Here the generated part begins."""
TITLES = {GPU: "GPU", HOST: "Host", DISK: "Disk"}
DCGM = {field.metric: f"`{field.family}`" for field in DCGM_FIELDS}


def table(subject: str) -> Iterator[str]:
    """The rows of one subject."""
    dcgm = subject == GPU
    yield f"| metric | unit | meaning | Prometheus |{' DCGM |' if dcgm else ''}"
    yield f"|---|---|---|---|{'---|' if dcgm else ''}"
    for row in METRICS[subject]:
        exported = of_metric(subject, row.name)
        there = LEFT_OUT[subject, row.name] if exported is None else f"`{exported.series}`"
        cells = [f"`{row.name}`", row.unit, row.help, there]
        yield f"| {' | '.join([*cells, DCGM.get(row.name, '')] if dcgm else cells)} |"


def extra(row: Extra) -> str:
    """The row of a family that no metric of the table stands for."""
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"| `{row.family(()).series_name}` | {labels} | {row.help} |"


def generated() -> str:
    """The part of the page that the program knows."""
    lines: list[str] = []
    for subject, title in TITLES.items():
        lines += [f"## {title}", "", *table(subject), ""]
    lines += ["## Further series", "", "| Prometheus | labels | meaning |", "|---|---|---|"]
    lines += [extra(row) for row in (*SERVICE_EXTRAS, *GPU_EXTRAS, *OTHER_EXTRAS)]
    return "\n".join(lines) + "\n"


def test_the_tables_of_metrics_are_the_programs() -> None:
    _, first, rest = PAGE.read_text().partition(FIRST)
    assert first + rest == generated(), f"rewrite it with: {REFRESH}"


def test_the_page_says_where_the_metrics_are() -> None:
    assert f"http://{ADDRESS}:{PORT}{PATH}" in PAGE.read_text()


def test_every_field_of_dcgm_is_in_the_page() -> None:
    assert len(DCGM) == len(DCGM_FIELDS)
    assert all(name in PAGE.read_text() for name in DCGM.values())


if __name__ == "__main__":
    before, _, _ = PAGE.read_text().partition(FIRST)
    PAGE.write_text(before + generated())
