"""Every metric of the table has a place in Prometheus: a name by its conventions, or a reason for none."""

from __future__ import annotations

import re

import pytest

from gpubox.common.metrics import DISK, GPU, HOST, METRICS, SHOWN
from gpubox.common.prometheus.dcgm import DCGM_FIELDS
from gpubox.common.prometheus.frame import GPU_EXTRAS, OTHER_EXTRAS, SERVICE_EXTRAS
from gpubox.common.prometheus.naming import COUNTER, LEFT_OUT, UNITS, exported, of_metric
from gpubox.core.sample import Gpu
from tests import samples

TEXTS = {"pcie_link", "pcie_link_max", "failure", "xid_note", "xid_meaning", "xid_step", "throttle_unknown"}
RESERVED = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
"""Ends of names that OpenMetrics gives a meaning to."""


def test_every_unit_of_the_table_becomes_a_base_unit() -> None:
    assert UNITS.keys() == SHOWN.keys()
    assert {unit: UNITS[unit].of(50) for unit in ("%", "MHz", "B", "")} == {
        "%": 0.5,
        "MHz": 50_000_000,
        "B": 50,
        "": 50,
    }


@pytest.mark.parametrize("subject", METRICS)
def test_every_metric_is_exported_or_left_out_for_a_reason(subject: str) -> None:
    given = {row.metric.name for row in exported(subject)}
    without = {name for left, name in LEFT_OUT if left == subject}
    assert given | without == {row.name for row in METRICS[subject]}
    assert not given & without


def test_reasons_name_metrics_of_the_table() -> None:
    table = {(subject, row.name) for subject, rows in METRICS.items() for row in rows}
    assert table >= LEFT_OUT.keys()
    assert all(LEFT_OUT.values())
    names = {row.name for subject in METRICS for row in exported(subject)}
    names |= {extra.name for extra in (*SERVICE_EXTRAS, *GPU_EXTRAS, *OTHER_EXTRAS)}
    for reason in LEFT_OUT.values():
        assert {name for name in re.findall(r"`(gpubox_\w+)`", reason)} <= names


def test_names_are_unique_and_as_prometheus_has_them() -> None:
    rows = [row for subject in METRICS for row in exported(subject)]
    extras = (*SERVICE_EXTRAS, *GPU_EXTRAS, *OTHER_EXTRAS)
    names = [*(row.name for row in rows), *(extra.name for extra in extras)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"gpubox(_[a-z0-9]+)+", name) for name in names)
    assert [name for name in names if name.endswith(RESERVED)] == []
    assert all(row.name.endswith(f"_{row.unit.name}") for row in rows if row.unit.name)
    assert all(row.series == f"{row.name}_total" for row in rows if row.kind == COUNTER)


def test_only_numbers_are_exported() -> None:
    cards = [gpu for build in samples.BUILDERS.values() for gpu in build().gpus]
    assert len(cards) > 10
    for row in exported(GPU):
        assert all(row.metric.of(card) is None or row.of(card) is not None for card in cards), row.name
    assert not TEXTS & {row.metric.name for row in exported(GPU)}


@pytest.mark.parametrize(
    ("subject", "metric", "name"),
    [
        (GPU, "util", "gpubox_gpu_utilization_ratio"),
        (GPU, "power", "gpubox_gpu_power_watts"),
        (GPU, "energy", "gpubox_gpu_energy_joules_total"),
        (GPU, "clock_sm", "gpubox_gpu_clock_sm_hertz"),
        (GPU, "temperature", "gpubox_gpu_temperature_celsius"),
        (GPU, "xid_at", "gpubox_gpu_last_xid_timestamp_seconds"),
        (HOST, "net_receive", "gpubox_host_network_receive_bytes_per_second"),
        (DISK, "fullness", "gpubox_disk_used_ratio"),
    ],
)
def test_names_that_dashboards_rely_on_stay(subject: str, metric: str, name: str) -> None:
    row = of_metric(subject, metric)
    assert row is not None
    assert row.series == name


def test_fields_of_dcgm_read_metrics_of_the_table_in_its_units() -> None:
    table = {row.name for row in METRICS[GPU]}
    assert {field.metric for field in DCGM_FIELDS} <= table
    assert len({field.name for field in DCGM_FIELDS}) == len(DCGM_FIELDS)
    card = Gpu(index=0, util=97.0, memory_used=3 << 20, memory_total=8 << 20, energy=2.5, clock_sm=1835)
    values = {field.name: value for field in DCGM_FIELDS if (value := field.of(card)) is not None}
    assert values == {
        "GPU_UTIL": 97.0,
        "FB_USED": 3,
        "FB_FREE": 5,
        "FB_TOTAL": 8,
        "TOTAL_ENERGY_CONSUMPTION": 2500,
        "SM_CLOCK": 1835,
    }
