"""Whether GPUs can be used: nvidia-smi, device files, links, processes, containers, NVSwitches."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.gpu.facts import (
    DeviceNode,
    GpuFacts,
    PackageFacts,
    SmiRun,
    StuckProcess,
)
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus, system

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE
ADA = "NVIDIA GeForce RTX 4090"
BOX = gpus(ADA, ADA)
STUCK = StuckProcess(88, "python3", "ada", True, "nv_wait")
SMI = BOX.smi


def smi(**changes: object) -> GpuFacts:
    return replace(BOX, smi=replace(SMI, **changes))


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (BOX, OK, "lists 2 GPUs in 0.2 s"),
        (smi(seconds=1.9), HINT, "takes 1.9 s"),
        (smi(path="", ran=False), WARNING, "not installed"),
        (smi(ran=False), NOT_HERE, "without a driver"),
        (smi(status=9, error="No devices were found", gpus=()), FAILED, "No devices were found"),
        (smi(status=18, error="", gpus=()), FAILED, "exit status 18"),
        (smi(status=None, gpus=()), WARNING, "no answer"),
        (replace(smi(status=None, gpus=()), stuck=(STUCK,)), FAILED, "python3 (88) hangs"),
        (smi(gpus=SMI.gpus[:1]), FAILED, "does not list 0000:02:00.0"),
        (replace(smi(gpus=SMI.gpus[:1]), container="docker"), OK, "lists 1 GPU in"),
        (replace(BOX, platform="tegra", smi=SmiRun()), NOT_HERE, "tegrastats"),
    ],
)
def test_nvidia_smi_has_to_answer_and_to_list_every_card(
    facts: GpuFacts, outcome: Outcome, words: str
) -> None:
    result = judge("gpu.smi", facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


NODE = DeviceNode("/dev/nvidia0", "660", "root", "video", False)


@pytest.mark.parametrize(
    ("nodes", "outcome", "step"),
    [
        (BOX.nodes, OK, ""),
        ((), WARNING, "nvidia-modprobe"),
        ((NODE, *BOX.nodes[1:]), FAILED, "sudo usermod -aG video ada"),
        ((replace(NODE, group="root"), *BOX.nodes[1:]), FAILED, "NVreg_DeviceFileMode"),
        ((replace(NODE, mode="600"), *BOX.nodes[1:]), FAILED, "NVreg_DeviceFileMode"),
        (BOX.nodes[:-1], HINT, "nvidia-modprobe"),
        ((DeviceNode("/dev/dxg", "666", "root", "root"),), OK, ""),
    ],
)
def test_the_user_has_to_be_let_to_the_device_files(
    nodes: tuple[DeviceNode, ...], outcome: Outcome, step: str
) -> None:
    result = judge("gpu.nodes", replace(BOX, nodes=nodes))
    assert (result.outcome, step in result.step) == (outcome, True), result


def asleep(*states: bool | None) -> SmiRun:
    rows = tuple(replace(gpu, persistence=state) for gpu, state in zip(SMI.gpus, states, strict=True))
    return replace(SMI, gpus=rows)


@pytest.mark.parametrize(
    ("changes", "outcome", "value"),
    [
        ({}, OK, "on"),
        ({"persistenced": False}, OK, "on"),
        ({"smi": asleep(False, True)}, HINT, "off"),
        ({"smi": asleep(False, False), "headless": False}, OK, "desktop"),
        ({"smi": asleep(None, None)}, UNKNOWN, ""),
        ({"smi": asleep(False, False), "container": "docker"}, NOT_HERE, ""),
        ({"platform": "wsl"}, NOT_HERE, ""),
    ],
)
def test_persistence_matters_where_no_desktop_holds_the_driver(
    changes: dict[str, object], outcome: Outcome, value: str
) -> None:
    result = judge("gpu.persistence", replace(BOX, **changes))
    assert (result.outcome, result.value) == (outcome, value)


def link(busy: bool = False, **changes: object) -> GpuFacts:
    rows = tuple(replace(gpu, pstate="P0" if busy else "P8") for gpu in SMI.gpus[:1])
    return replace(BOX, cards=(replace(BOX.cards[0], **changes),), smi=replace(SMI, gpus=rows))


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (link(), OK, "x16 of x16 at 16 GT/s"),
        (link(width=4), WARNING, "x4 of x16"),
        (link(width=1), WARNING, "x1 of x16"),
        (link(width=8), HINT, "share lanes"),
        (link(width=8, slot_width=8), OK, "wider slot"),
        (link(width=4, width_max=8), WARNING, "x4 of x8"),
        (link(speed=2.5), OK, "2.5 GT/s"),
        (link(busy=True, speed=2.5), HINT, "while it works"),
        (link(busy=True, speed=8.0, slot_speed=8.0), OK, "8 GT/s"),
        (link(width=None, asleep=True), UNKNOWN, "does not say"),
        (GpuFacts(platform="wsl"), NOT_HERE, "not on a PCIe link"),
        (link(driver="vfio-pci"), UNKNOWN, "does not say"),
    ],
)
def test_missing_lanes_are_a_fault_and_low_speed_at_rest_is_none(
    facts: GpuFacts, outcome: Outcome, words: str
) -> None:
    result = judge("gpu.link", facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


@pytest.mark.parametrize(
    ("stuck", "outcome", "words"),
    [
        ((), OK, "No process hangs"),
        ((STUCK,), FAILED, "python3 (88) hangs in the driver"),
        ((replace(STUCK, gpu=False),), FAILED, "in the driver"),
        ((StuckProcess(9, "nvidia-smi"), STUCK), FAILED, "nvidia-smi (9) and 1 more hang"),
        ((StuckProcess(9, "ls", "ada", False, "nfs_wait_bit_killable"),), WARNING, "network share"),
    ],
)
def test_processes_that_hang_are_named(stuck: tuple[StuckProcess, ...], outcome: Outcome, words: str) -> None:
    result = judge("gpu.processes", replace(BOX, stuck=stuck))
    assert (result.outcome, words in result.text) == (outcome, True), result.text


TOOLKIT = ("nvidia-ctk", "nvidia-container-runtime")
CDI = ("/etc/cdi/nvidia.yaml",)


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({}, NOT_HERE, "Neither Docker nor Podman"),
        ({"engines": ("docker",)}, HINT, "toolkit is not"),
        (
            {"engines": ("docker",), "toolkit": TOOLKIT, "docker_runtime": False},
            HINT,
            "do not name its runtime",
        ),
        ({"engines": ("docker",), "toolkit": TOOLKIT, "docker_runtime": True}, OK, "can pass GPUs"),
        ({"engines": ("docker",), "toolkit": TOOLKIT, "docker_runtime": None}, OK, "can pass GPUs"),
        ({"engines": ("docker",), "toolkit": TOOLKIT, "docker_runtime": False, "cdi": CDI}, OK, "can pass"),
        ({"engines": ("podman",), "toolkit": TOOLKIT}, HINT, "CDI file"),
        ({"engines": ("podman",), "toolkit": TOOLKIT, "cdi": CDI}, OK, "can pass GPUs"),
        ({"engines": ("docker",), "container": "docker"}, NOT_HERE, "container itself"),
    ],
)
def test_containers_need_the_toolkit(changes: dict[str, object], outcome: Outcome, words: str) -> None:
    result = judge("gpu.container", replace(BOX, **changes))
    assert (result.outcome, words in result.text) == (outcome, True), result.text


@pytest.mark.parametrize(
    ("switches", "state", "container", "outcome"),
    [
        (0, "", "", NOT_HERE),
        (6, "active", "", OK),
        (6, "failed", "", FAILED),
        (6, "inactive", "", FAILED),
        (6, "missing", "", FAILED),
        (6, "", "", UNKNOWN),
        (6, "missing", "docker", NOT_HERE),
        (6, "active", "docker", OK),
    ],
)
def test_nvswitches_need_the_fabric_manager(
    switches: int, state: str, container: str, outcome: Outcome
) -> None:
    facts = replace(BOX, nvswitches=switches, fabric_manager=state, container=container)
    assert judge("gpu.fabric", facts).outcome is outcome


KERNELS = ("6.8.0-45-generic", "6.8.0-50-generic", "6.8.0-60-generic", "6.9.0-1-lowlatency")


@pytest.mark.parametrize(
    ("built", "more", "outcome", "words"),
    [
        (KERNELS[:3], {}, OK, "6.8.0-60-generic has it"),
        (KERNELS[:2], {}, WARNING, "6.8.0-60-generic starts at the next boot"),
        (KERNELS[:2], {"autobuilt": True}, HINT, "akmods"),
        ((), {}, UNKNOWN, "not among the modules"),
        (KERNELS[:2], {"modules_known": False}, UNKNOWN, "cannot be listed"),
    ],
)
def test_the_next_kernel_has_to_have_the_driver(
    built: tuple[str, ...], more: dict[str, object], outcome: Outcome, words: str
) -> None:
    found = replace(PackageFacts(built=built, modules_known=True), **more)
    result = judge("gpu.next-kernel", gpus(ADA), found, system(KERNELS[1], KERNELS))
    assert (result.outcome, words in result.text) == (outcome, True), result.text
