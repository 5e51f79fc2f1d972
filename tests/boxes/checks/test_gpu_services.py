"""The services of the driver are started by a fix whose undo restores what was."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.boxes.checks.unit_state import UnitState
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus
from tests.boxes.checks.test_fix_undo import ENABLE, START, UNIT, commands, fix


def asleep(unit: UnitState | None) -> GpuFacts:
    """A box whose driver falls asleep."""
    facts = gpus("NVIDIA GeForce RTX 4090", persistenced=False, persistence_unit=unit)
    rows = tuple(replace(gpu, persistence=False) for gpu in facts.smi.gpus)
    return replace(facts, smi=replace(facts.smi, gpus=rows))


def test_the_undo_of_persistence_keeps_a_service_enabled_that_was() -> None:
    off = UnitState(UNIT, "loaded", "disabled", "inactive")
    assert commands(fix("gpu.persistence", asleep(off))) == [((*ENABLE[0], UNIT), (*ENABLE[1], UNIT))]
    stopped = replace(off, file="enabled")
    assert commands(fix("gpu.persistence", asleep(stopped))) == [((*START[0], UNIT), (*START[1], UNIT))]


@pytest.mark.parametrize(
    ("unit", "running"),
    [
        (None, False),
        (UnitState(UNIT, "loaded", "static", "inactive"), False),
        (UnitState(UNIT, "loaded", "static", "active"), True),
        (UnitState(UNIT, "loaded", "enabled", "active"), True),
    ],
)
def test_persistence_has_no_fix_where_the_service_would_not_turn_it_on(
    unit: UnitState | None, running: bool
) -> None:
    result = judge("gpu.persistence", replace(asleep(unit), persistenced=running))
    assert result.fix is None
    assert ("nvidia-smi -pm 1" in result.step) is (unit is not None)


FABRIC = "nvidia-fabricmanager.service"


@pytest.mark.parametrize(
    ("version", "unit", "words", "fixable"),
    [
        ("580.95.05", UnitState(FABRIC, "loaded", "disabled", "inactive"), "is inactive", True),
        ("580.95.05", UnitState(FABRIC, "loaded", "masked", "inactive"), "is inactive", False),
        ("580.95.05", None, "is inactive", False),
        ("", UnitState(FABRIC, "loaded", "disabled", "inactive"), "is inactive", False),
        ("570.86.10", UnitState(FABRIC, "loaded", "disabled", "inactive"), "is 570.86.10, and the", False),
    ],
)
def test_a_fabric_manager_of_another_version_is_not_started(
    version: str, unit: UnitState | None, words: str, fixable: bool
) -> None:
    facts = gpus(
        "NVIDIA H100",
        nvswitches=6,
        fabric_manager="inactive",
        fabric_version=version,
        fabric_unit=unit,
    )
    result = judge("gpu.fabric", facts)
    assert (words in result.text, result.fix is not None) == (True, fixable), result.text
