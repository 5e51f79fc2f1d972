"""The table of metrics has a row for every number of a sample, and reads structs and dicts alike."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import inspect

from gpubox.common.metrics import DISK, GPU, HOST, METRICS, PROCESS, SHOWN, graphed, metric, recorded
from gpubox.common.rules.link import link_record
from gpubox.common.units import DASH
from gpubox.core.sample import Disk, Gpu, Host, Process
from tests import samples
from tests.core import wire

STRUCTS = {GPU: Gpu, HOST: Host, DISK: Disk, PROCESS: Process}
IDENTITY = {"gpu", "gpu_instance", "pid"}
"""Numbers that name a thing and measure nothing."""


def numbers(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(map(numbers, kind.types))
    return isinstance(kind, inspect.IntType | inspect.FloatType)


@pytest.mark.parametrize("subject", STRUCTS)
def test_every_number_of_a_sample_is_a_metric(subject: str) -> None:
    (struct,) = (kind for kind in wire.structs(STRUCTS[subject]) if kind.cls is STRUCTS[subject])
    fields = {field.name for field in struct.fields if numbers(field.type)}
    assert fields - IDENTITY <= {row.name for row in METRICS[subject]}


@pytest.mark.parametrize("subject", METRICS)
def test_a_metric_has_one_row_with_a_known_unit_and_a_meaning(subject: str) -> None:
    rows = METRICS[subject]
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.unit in SHOWN and row.help and not row.help.endswith(".") for row in rows)
    plain = {row.name for row in rows if row.read is None}
    fields = STRUCTS[subject].__struct_fields__ if subject in STRUCTS else tuple(link_record())
    assert plain <= set(fields)


def test_what_is_drawn_is_preserved() -> None:
    for subject in (GPU, HOST):
        assert set(graphed(subject)) <= set(recorded(subject))
        assert graphed(subject)


@pytest.mark.parametrize("name", samples.BUILDERS)
def test_a_struct_and_a_dict_give_the_same(name: str) -> None:
    sample = samples.BUILDERS[name]()
    plain = msgspec.to_builtins(sample)
    pairs = [(GPU, *pair) for pair in zip(sample.gpus, plain["gpus"], strict=True)]
    pairs += [(DISK, *pair) for pair in zip(sample.host.disks, plain["host"]["disks"], strict=True)]
    pairs += [(PROCESS, *pair) for pair in zip(sample.processes, plain["processes"], strict=True)]
    for subject, struct, table in [*pairs, (HOST, sample.host, plain["host"])]:
        for row in METRICS[subject]:
            assert row.of(struct) == row.of(table), row.name


def test_a_value_is_shown_with_its_unit() -> None:
    card = samples.training_box().gpus[0]
    shown = {name: metric(GPU, name).show(metric(GPU, name).of(card)) for name in ("power", "temperature")}
    assert shown == {"power": "148W", "temperature": "79°C"}
    assert metric(GPU, "temperature").show(79, "fahrenheit") == "174°F"
    assert metric(GPU, "fan").show(metric(GPU, "fan").of({})) == DASH
