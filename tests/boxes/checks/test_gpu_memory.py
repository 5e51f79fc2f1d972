"""Memory that no process accounts for, and what the driver itself asks for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks.check import Outcome, Result
from gpubox.boxes.checks.gpu.facts import GpuFacts, GpuHolder, GpuProcess, SmiGpu
from gpubox.common.xid import RESET, STEPS
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus
from tests.boxes.checks.machines import HOSTILE

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE
ADA = "NVIDIA GeForce RTX 4090"
MIB = 1 << 20
BOX = gpus(ADA, ADA, root=True)
WORKER = GpuHolder(812, "python3", "ada")


def second(box: GpuFacts, **changes: object) -> GpuFacts:
    """The box with its second GPU changed."""
    first, other = box.smi.gpus
    return replace(box, smi=replace(box.smi, gpus=(first, replace(other, **changes))))


def used(amount: int = 9118 * MIB, **changes: object) -> GpuFacts:
    """A box on which memory of the second GPU is in use without a process."""
    return replace(second(BOX, memory_used=amount), **changes)


def test_memory_without_a_process_is_a_warning_where_everything_is_seen() -> None:
    result = judge("gpu.memory", used())
    assert result.outcome is WARNING
    assert result.text == (
        "8.9G of memory are in use on GeForce RTX 4090 0000:02:00.0, and no process is listed for it"
    )
    assert result.step.index("fuser -v /dev/nvidia*") < result.step.index(RESET)
    assert "Only if nothing uses the card" in result.step
    assert " may " not in result.text


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (BOX, OK),
        (used(500 * MIB), OK),
        (used(501 * MIB), WARNING),
        (second(BOX, memory_used=900 * MIB, memory_reserved=400 * MIB), OK),
        (second(BOX, memory_used=901 * MIB, memory_reserved=400 * MIB), WARNING),
        (second(BOX, memory_used=9118 * MIB, processes=(GpuProcess(7, "C"),)), OK),
        (second(BOX, memory_used=9118 * MIB, processes=(GpuProcess(7, "G"),)), OK),
        (second(BOX, memory_used=9118 * MIB, processes=None), UNKNOWN),
        (second(BOX, memory_used=2 * MIB, processes=None), OK),
        (second(BOX, memory_used=None), OK),
        (gpus(), UNKNOWN),
        (second(BOX, memory_used=90000 * MIB, name="NVIDIA GH200 480GB"), OK),
        (used(platform="wsl"), NOT_HERE),
    ],
)
def test_how_much_memory_belongs_to_nobody(facts: GpuFacts, outcome: Outcome) -> None:
    assert judge("gpu.memory", facts).outcome is outcome


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (used(root=False), HINT, "a process that only root sees may hold it"),
        (used(root=False, holders=(WORKER,)), HINT, "python3 (812) of ada has CUDA open, and may hold it"),
        (used(mps=True), HINT, "the MPS server may hold it"),
        (used(headless=False), HINT, "the desktop may hold it"),
        (second(BOX, memory_used=9118 * MIB, mig=True), HINT, "may not be listed"),
        (used(container="docker"), UNKNOWN, "other containers may hold it"),
        (used(container="docker", root=False, mps=True), UNKNOWN, "may hold it"),
    ],
)
def test_what_cannot_be_seen_may_hold_it(facts: GpuFacts, outcome: Outcome, words: str) -> None:
    result = judge("gpu.memory", facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text
    assert "fuser" in result.step


def test_whoever_has_cuda_open_is_named() -> None:
    result = judge("gpu.memory", used(holders=(WORKER, GpuHolder(813, "python3", "ada"))))
    assert result.outcome is WARNING
    assert result.text.endswith("python3 (812) of ada has CUDA open")
    assert "python3 (813) of ada has CUDA open" in result.details


def asks(*words: str) -> Result:
    """What it comes to when the driver asks for this, one word for each GPU."""
    box = gpus(*(ADA for _ in words))
    rows = tuple(replace(gpu, recovery=word) for gpu, word in zip(box.smi.gpus, words, strict=True))
    return judge("gpu.recovery", replace(box, smi=replace(box.smi, gpus=rows)))


@pytest.mark.parametrize(
    ("words", "outcome", "value", "step"),
    [
        (("None", "None"), OK, "none", ""),
        (("", ""), NOT_HERE, "", ""),
        (("None", "Reset"), FAILED, "Reset", STEPS["reset"]),
        (("Drain and Reset",), FAILED, "Drain and Reset", STEPS["reset"]),
        (("Drain P2P",), FAILED, "Drain P2P", STEPS["reset later"]),
        (("Reboot",), FAILED, "Reboot", STEPS["reboot"]),
        (("Drain P2P", "Reset", "Reboot"), FAILED, "Reboot", STEPS["reboot"]),
        (("Something New",), FAILED, "Something New", "NVIDIA's list"),
    ],
)
def test_the_driver_says_what_it_needs(
    words: tuple[str, ...], outcome: Outcome, value: str, step: str
) -> None:
    result = asks(*words)
    assert (result.outcome, result.value, step in result.step) == (outcome, value, True), result
    assert bool(result.step) is (outcome is FAILED)


def test_every_card_that_needs_something_is_named() -> None:
    result = asks("Drain P2P", "None", "Reset")
    assert result.text == "On GeForce RTX 4090 0000:03:00.0 the driver asks for: Reset"
    assert result.details == ("On GeForce RTX 4090 0000:01:00.0 the driver asks for: Drain P2P",)


def test_hostile_words_are_shown_clean() -> None:
    assert asks(HOSTILE).text.isprintable()
    rows = (SmiGpu(HOSTILE, address=HOSTILE, memory_used=9118 * MIB, processes=()),)
    facts = replace(
        gpus(root=True), smi=replace(BOX.smi, gpus=rows), holders=(GpuHolder(1, HOSTILE, HOSTILE),)
    )
    result = judge("gpu.memory", facts)
    assert all(text.isprintable() for text in (result.text, result.step, *result.details))
