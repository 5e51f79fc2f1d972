"""What Xid errors of the kernel log come to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.gpu.facts import GpuFacts, KernelFacts, XidCount
from gpubox.boxes.checks.gpu.steps import ACTIONS
from gpubox.common.xid import GRAVE, STEPS, XIDS
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK
UNKNOWN = Outcome.UNKNOWN


def box(recovery: str) -> GpuFacts:
    """A box whose driver asks for something on its one GPU, or is too old to say so."""
    facts = gpus("NVIDIA GeForce RTX 4090")
    (gpu,) = facts.smi.gpus
    return replace(facts, smi=replace(facts.smi, gpus=(replace(gpu, recovery=recovery),)))


def xid(code: int, **changes: object) -> KernelFacts:
    row = XidCount("0000:01:00", code, first=1000.0, last=1000.0, programs=("python",), pids=1)
    return KernelFacts("dmesg", whole=True, begins=0.0, time=2000.0, xids=(replace(row, **changes),))


@pytest.mark.parametrize("code", sorted(set(XIDS) - {154}))
def test_every_known_xid_has_words_and_a_step(code: int) -> None:
    meaning = XIDS[code]
    assert meaning.text
    assert not meaning.text.endswith(".")
    result = judge("gpu.xids", xid(code))
    assert meaning.text in result.text
    assert result.outcome is FAILED if meaning.step in GRAVE else result.outcome in (WARNING, HINT, OK)
    assert bool(result.step) is (result.outcome is not OK)


def test_the_steps_that_the_catalog_gives_are_ours() -> None:
    reset = {46, 62, 95, 109, 110, 119, 120, 136, 140, 143, 155, 158}
    assert {code for code in reset if XIDS[code].step != "reset"} == set()
    assert [XIDS[code].step for code in (79, 54, 63, 43, 13, 31)] == [
        "reboot", "cable", "reset later", "none", "app", "app",
    ]  # fmt: skip
    assert set(ACTIONS.values()) <= set(STEPS)


@pytest.mark.parametrize(
    ("kernel", "outcome", "words"),
    [
        (KernelFacts(why="dmesg says: no"), UNKNOWN, "dmesg says: no"),
        (KernelFacts("dmesg", begins=0.0, time=7200.0), OK, "goes back 2h"),
        (KernelFacts("dmesg"), OK, "beginning is lost"),
        (xid(79), FAILED, "on GeForce RTX 4090 0000:01:00, 16m 40s ago"),
        (xid(46, last=1000.0), FAILED, "whole GPU stopped"),
        (replace(xid(46), time=900_000.0), WARNING, "10d 9h ago"),
        (replace(xid(79), time=900_000.0), FAILED, "fell off"),
        (xid(9999), WARNING, "not in our table"),
        (xid(46, bursts=9, bursts_day=5), FAILED, "5 times in a day"),
        (
            xid(154, text="GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"),
            FAILED,
            "Reset",
        ),
        (xid(154, text="changed from 0x1 (GPU Reset Required) to 0x0 (None)"), OK, "nothing any more"),
        (xid(154, text="changed from 0x0 (None) to 0x9 (Something New)"), FAILED, "Something New"),
        (xid(154, text="cut"), FAILED, "an action"),
        (xid(20034, kind="sxid", text="Fatal"), FAILED, "SXid 20034"),
        (xid(24001, kind="sxid", text="Corrected"), HINT, "corrected error"),
    ],
)
def test_xids_are_judged_by_age_repeats_and_the_word_of_the_driver(
    kernel: KernelFacts, outcome: Outcome, words: str
) -> None:
    result = judge("gpu.xids", box(""), kernel)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


RESET = "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"


@pytest.mark.parametrize(
    ("recovery", "outcome", "words"),
    [
        ("", FAILED, "GPU Reset Required"),
        ("None", OK, "nothing any more"),
        ("Reboot", HINT, "asks for: Reboot, on GeForce RTX 4090"),
    ],
)
def test_what_the_driver_asks_for_now_is_later_than_the_log(
    recovery: str, outcome: Outcome, words: str
) -> None:
    result = judge("gpu.xids", box(recovery), xid(154, text=RESET))
    assert (result.outcome, words in result.text) == (outcome, True), result.text
    assert ("gpu.recovery" in result.step) is (outcome is HINT)
