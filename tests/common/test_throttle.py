"""Why a GPU is slow, in words, the worrying reasons first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpubox.common.metrics import GPU
from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import judge
from gpubox.common.severity import Severity
from gpubox.common.throttle import REASONS


def reasons(mask: int | None) -> list[Finding]:
    """What the rules find in the mask of a GPU."""
    return judge(GPU, {"index": 0, "throttle": mask})


def test_every_bit_of_the_driver_has_its_own_words() -> None:
    assert sum(reason.bit for reason in REASONS) == 0x1FF
    assert len({reason.short for reason in REASONS}) == len(REASONS)
    assert all(reason.text and reason.short for reason in REASONS)


def test_nothing_is_said_of_nothing() -> None:
    assert reasons(None) == []
    assert reasons(0) == []


def test_heat_comes_before_the_power_limit() -> None:
    assert [reason.title for reason in reasons(0x004 | 0x020)] == ["hot", "power cap"]


def test_a_bit_of_a_later_driver_is_shown_as_it_is() -> None:
    (unknown,) = reasons(0x10000)
    assert unknown.title == "0x10000"
    assert unknown.severity is Severity.WARNING


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_mask_gives_each_reason_once_most_worrying_first(mask: int) -> None:
    found = reasons(mask)
    assert len({reason.code for reason in found}) == len(found)
    assert [reason.severity for reason in found] == sorted(
        (reason.severity for reason in found), reverse=True
    )
