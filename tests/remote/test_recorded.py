"""Lines that a probe once wrote are read forever; the probe writes no field that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from gpubox.core.decode import decode
from gpubox.core.sample import Gpu, Host, Process, Sample
from tests.remote.conftest import Machine

RECORDED = Path(__file__).parents[1] / "recorded"


def recorded(name: str) -> list[Sample]:
    """The samples of one recording."""
    return [decode(line) for line in (RECORDED / f"{name}.jsonl").read_bytes().splitlines()]


def test_a_desktop_with_two_cards_is_read() -> None:
    first, second = recorded("probe-desktop")
    assert [gpu.name for gpu in first.gpus] == ["NVIDIA GeForce GTX 1070", "NVIDIA GeForce RTX 4090"]
    assert first.host.cpu is None
    assert second.host.cpu is not None
    assert second.gpus[0].missing["energy"] == "Not Supported"


def test_a_server_with_a_slice_a_lost_gpu_and_unified_memory_is_read() -> None:
    sample = recorded("probe-server")[-1]
    assert [gpu.lost_at is not None for gpu in sample.gpus] == [False, False, True, False]
    assert len(sample.gpus[1].mig_instances) == 2
    assert sample.gpus[3].unified


def test_a_mismatch_is_read() -> None:
    assert [sample.faults[0].code for sample in recorded("probe-mismatch")] == ["mismatch"] * 2


def test_the_probe_writes_no_field_that_the_panel_does_not_know(
    machine: Machine, library: Callable[..., Path]
) -> None:
    machine.gpus(library(), "h100,gtx1070,gb10", 3, mig="0:2")
    probe = machine.start()
    probe.until(lambda sample: sample.seq == 2)
    for line in probe.lines:
        row = cast("dict[str, object]", msgspec.json.decode(line))
        assert set(row) <= set(Sample.__struct_fields__)
        for part, kind in (("gpus", Gpu), ("processes", Process)):
            for entry in cast("list[dict[str, object]]", row[part]):
                assert set(entry) <= set(kind.__struct_fields__)
        assert set(cast("dict[str, object]", row["host"])) <= set(Host.__struct_fields__)
