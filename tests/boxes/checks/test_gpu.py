"""Cards, their driver and what keeps it out, by the facts of boxes as they are found."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Facts, Outcome
from gpubox.boxes.checks.gpu.facts import (
    DkmsBuild,
    DriverPackage,
    GpuFacts,
    KernelFacts,
    KernelMessage,
    PackageFacts,
    PciCard,
    SmiGpu,
    SmiRun,
)
from gpubox.boxes.checks.run import Judging
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import gpus, packages, system

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE

ADA = "NVIDIA GeForce RTX 4090"
PASCAL = "NVIDIA GeForce GTX 1080"
ADDRESS = "0000:01:00.0"
BARE = PciCard(ADDRESS, "2684", "AD102 [GeForce RTX 4090]")
NO_DRIVER = GpuFacts(cards=(BARE,), modules=(), has_modinfo=True, user="ada")
"""A card in its slot, and nothing installed for it."""
ON_DISK = replace(NO_DRIVER, disk_version="580.95.05", disk_license="Dual MIT/GPL")


def log(*kinds: str) -> KernelFacts:
    return KernelFacts("dmesg", messages=tuple(KernelMessage(kind, text=f"{kind} it is") for kind in kinds))


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (GpuFacts(), NOT_HERE, "No NVIDIA card"),
        (GpuFacts(pci=False), NOT_HERE, "No NVIDIA card"),
        (gpus(ADA), OK, "GeForce RTX 4090"),
        (gpus(ADA, ADA, PASCAL), OK, "2x GeForce RTX 4090, GeForce GTX 1080"),
        (NO_DRIVER, OK, "GeForce RTX 4090"),
        (replace(NO_DRIVER, cards=(replace(BARE, name=""),)), OK, "10de:2684"),
        (replace(NO_DRIVER, cards=(replace(BARE, answers=False),)), FAILED, "fell off the bus"),
        (replace(NO_DRIVER, cards=(replace(BARE, driver="vfio-pci"),)), NOT_HERE, "virtual machines"),
        (GpuFacts(platform="wsl"), OK, "Windows passes its GPU"),
        (GpuFacts(platform="tegra"), OK, "part of the processor"),
        (replace(gpus(ADA), cards=()), OK, "PCI bus is not shown: GeForce RTX 4090"),
    ],
)
def test_the_cards_on_the_bus_are_named(facts: GpuFacts, outcome: Outcome, words: str) -> None:
    result = judge("gpu.bus", facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


DKMS = packages(
    "nvidia-dkms-580 580.95.05",
    dkms=(DkmsBuild("nvidia", "580.95.05", "6.8.0-45-generic", "installed"),),
    built=("6.8.0-45-generic",),
    headers=True,
)


@pytest.mark.parametrize(
    ("facts", "others", "outcome", "words", "step"),
    [
        (gpus(ADA), (), OK, "580.95.05 is loaded, open kernel module", ""),
        (GpuFacts(platform="tegra"), (), OK, "part of the system", ""),
        (replace(gpus(ADA), version="", platform="wsl"), (), OK, "580.95.05", ""),
        (replace(NO_DRIVER, container="docker"), (), NOT_HERE, "given no GPU", ""),
        (
            replace(NO_DRIVER, modules=("nouveau",)),
            (packages(),),
            FAILED,
            "nouveau",
            "nvidia-driver-580-open",
        ),
        (ON_DISK, (), FAILED, "installed and not loaded", "modprobe"),
        (ON_DISK, (log("rejected"),), FAILED, "rejected", "gpu.secure-boot"),
        (ON_DISK, (log("lockdown"),), FAILED, "locked down", "gpu.secure-boot"),
        (ON_DISK, (log("needs-open"),), FAILED, "open kernel modules", "-open"),
        (ON_DISK, (log("ignored"),), FAILED, "does not drive this card", "gpu.branch"),
        (ON_DISK, (log("taken"),), FAILED, "owns the card", "lspci"),
        (replace(ON_DISK, secure_boot=True), (), FAILED, "not signed", "gpu.secure-boot"),
        (replace(ON_DISK, secure_boot=True, disk_signer="box"), (), FAILED, "not loaded", "modprobe"),
        (NO_DRIVER, (packages(),), FAILED, "No driver is installed for GeForce RTX 4090", "apt install"),
        (NO_DRIVER, (packages(distribution="debian 13"),), FAILED, "No driver", "non-free-firmware"),
        (NO_DRIVER, (packages(manager="pacman", distribution="arch"),), FAILED, "No driver", "nvidia-open"),
        (
            NO_DRIVER,
            (packages(manager="dnf", distribution="fedora 43"),),
            FAILED,
            "No driver",
            "akmod-nvidia",
        ),
        (NO_DRIVER, (PackageFacts(),), FAILED, "No driver is installed", "with the packages"),
        (NO_DRIVER, (DKMS, system()), FAILED, "not built for kernel 6.8.0-50-generic", "autoinstall"),
        (NO_DRIVER, (replace(DKMS, headers=False), system()), FAILED, "headers are missing", "linux-headers"),
        (NO_DRIVER, (replace(DKMS, dkms=()), system()), FAILED, "6.8.0-45-generic has one", "boot that one"),
        (NO_DRIVER, (replace(DKMS, dkms=(), built=()), system()), FAILED, "has no module", "apt install"),
        (replace(NO_DRIVER, has_modinfo=False), (), FAILED, "not loaded", "modprobe"),
    ],
)
def test_what_keeps_the_driver_out_is_said(
    facts: GpuFacts, others: tuple[Facts, ...], outcome: Outcome, words: str, step: str
) -> None:
    result = judge("gpu.driver", facts, *others)
    assert (result.outcome, words in result.text, step in result.step) == (outcome, True, True), result


@pytest.mark.parametrize(
    ("name", "distribution", "step"),
    [
        ("GP104 [GeForce GTX 1080]", "ubuntu 24.04", "sudo apt install nvidia-driver-580,"),
        ("GP104 [GeForce GTX 1080]", "arch", "nvidia-580xx-dkms"),
        ("GP104 [GeForce GTX 1080]", "fedora 43", "akmod-nvidia-580xx"),
        ("GB202 [GeForce RTX 5090]", "debian 13", "NVIDIA's own repository"),
        ("GB202 [GeForce RTX 5090]", "ubuntu 24.04", "nvidia-driver-580-open"),
        ("GK210GL [Tesla K80]", "ubuntu 24.04", "470"),
        ("GV100GL [Tesla V100]", "void", "driver 580"),
    ],
)
def test_the_driver_that_fits_the_card_is_named(name: str, distribution: str, step: str) -> None:
    facts = replace(NO_DRIVER, cards=(replace(BARE, name=name),))
    assert step in judge("gpu.driver", facts, packages(distribution=distribution)).step


@pytest.mark.parametrize(
    ("facts", "others", "outcome", "value"),
    [
        (gpus(ADA), (), OK, "no EFI"),
        (gpus(ADA, efi=True), (), UNKNOWN, ""),
        (gpus(ADA, efi=True, secure_boot=False), (), OK, "off"),
        (gpus(ADA, efi=True, secure_boot=True), (), OK, "on"),
        (gpus(ADA, efi=True, secure_boot=True, disk_signer="Canonical Ltd."), (), OK, "on"),
        (gpus(ADA, efi=True, secure_boot=False, lockdown="integrity"), (), OK, "off"),
        (replace(ON_DISK, secure_boot=False, lockdown="integrity"), (), FAILED, "lockdown"),
        (replace(ON_DISK, secure_boot=False, lockdown="none"), (), OK, "off"),
        (replace(NO_DRIVER, secure_boot=True), (), HINT, "on, no driver"),
        (replace(ON_DISK, secure_boot=True), (), FAILED, "on, unsigned"),
        (replace(ON_DISK, secure_boot=True, disk_signer="box"), (), HINT, "on, signed"),
        (replace(ON_DISK, secure_boot=True, disk_signer="box"), (log("oom"),), HINT, "on, signed"),
        (
            replace(ON_DISK, secure_boot=True, disk_signer="box"),
            (log("rejected"),),
            FAILED,
            "on, not trusted",
        ),
        (
            replace(ON_DISK, secure_boot=True, disk_signer="box"),
            (log("lockdown"),),
            FAILED,
            "on, not trusted",
        ),
        (replace(ON_DISK, secure_boot=True, container="docker"), (), NOT_HERE, ""),
        (GpuFacts(platform="wsl", efi=True), (), NOT_HERE, ""),
    ],
)
def test_secure_boot_is_judged_by_what_it_let_in(
    facts: GpuFacts, others: tuple[Facts, ...], outcome: Outcome, value: str
) -> None:
    result = judge("gpu.secure-boot", facts, *others)
    assert (result.outcome, result.value) == (outcome, value)


def test_ubuntu_is_pointed_to_its_signed_modules() -> None:
    facts = replace(ON_DISK, secure_boot=True)
    assert "linux-modules-nvidia" in judge("gpu.secure-boot", facts, packages()).step
    assert "console" in judge("gpu.secure-boot", facts, packages(distribution="debian 13")).step


def bound(facts: GpuFacts, driver: str) -> GpuFacts:
    return replace(facts, cards=tuple(replace(card, driver=driver) for card in facts.cards))


@pytest.mark.parametrize(
    ("facts", "outcome", "value"),
    [
        (gpus(ADA), OK, "no"),
        (gpus(ADA, modules=("nvidia", "nouveau")), OK, "no"),
        (bound(NO_DRIVER, "nouveau"), WARNING, "yes"),
        (bound(gpus(ADA, PASCAL), "nouveau"), WARNING, "yes"),
        (replace(NO_DRIVER, modules=None), UNKNOWN, ""),
        (GpuFacts(platform="wsl"), NOT_HERE, ""),
    ],
)
def test_nouveau_is_noticed_where_it_holds_a_card(facts: GpuFacts, outcome: Outcome, value: str) -> None:
    result = judge("gpu.nouveau", facts)
    assert (result.outcome, result.value) == (outcome, value)


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (gpus(ADA), OK, "Module and libraries are 580.95.05"),
        (gpus(ADA, library_version="580.105.08"), FAILED, "libraries are 580.105.08"),
        (gpus(ADA, library_version="580.105.08", container="docker"), FAILED, "new GPU programs fail"),
        (gpus(ADA, disk_version="580.105.08"), WARNING, "580.105.08 is on disk"),
        (gpus(ADA, disk_version="580.105.08", container="docker"), OK, "580.95.05"),
        (gpus(ADA, library="", library_version=""), WARNING, "libraries are missing"),
        (gpus(ADA, library_version=""), OK, "does not say its version"),
        (gpus(ADA, platform="wsl"), OK, "host's system"),
    ],
)
def test_module_and_library_are_compared(facts: GpuFacts, outcome: Outcome, words: str) -> None:
    result = judge("gpu.versions", facts)
    assert (result.outcome, words in result.text) == (outcome, True), result.text


@pytest.mark.parametrize(
    ("cards", "flavor", "outcome", "words"),
    [
        ((ADA,), "open", OK, "open"),
        ((ADA,), "proprietary", OK, "proprietary"),
        ((PASCAL,), "proprietary", OK, "proprietary"),
        ((PASCAL,), "open", FAILED, "needs the proprietary kernel module"),
        (("Tesla V100-SXM2",), "open", FAILED, "V100"),
        (("NVIDIA GeForce RTX 5090",), "open", OK, "open"),
        (("NVIDIA GeForce RTX 5090",), "proprietary", FAILED, "needs the open kernel modules"),
        (("NVIDIA GH200 480GB",), "proprietary", FAILED, "GH200"),
        (("NVIDIA H100",), "proprietary", OK, "proprietary"),
        (("NVIDIA GeForce RTX 5090", PASCAL), "open", FAILED, "the proprietary one"),
        (("Some Card",), "open", OK, "not in our table"),
        ((ADA,), "", NOT_HERE, "host"),
    ],
)
def test_the_flavor_has_to_fit_the_cards(
    cards: tuple[str, ...], flavor: str, outcome: Outcome, words: str
) -> None:
    result = judge("gpu.flavor", gpus(*cards, flavor=flavor))
    assert (result.outcome, words in result.text) == (outcome, True), result.text


def everything(facts: GpuFacts, *others: Facts) -> dict[str, Outcome]:
    """Return what all checks of both groups come to, dependencies included; what is missing was not sent."""
    every = [check for check in all_checks() if check.group in ("gpu", "cuda")]
    judging = Judging(every)
    found = [*judging.judge()]
    for one in (facts, *others):
        found += judging.take(type(one), one)
    found += judging.give_up("not sent")
    assert not [result for _, result in found if "itself failed" in result.text]
    return {check.id: result.outcome for check, result in found}


def test_a_box_without_a_card_is_not_red() -> None:
    found = everything(GpuFacts(), KernelFacts("dmesg", whole=True), packages(), system())
    assert set(found.values()) <= {NOT_HERE, OK}
    assert found["gpu.kernel-log"] is OK


def test_a_missing_driver_is_one_red_line() -> None:
    found = everything(NO_DRIVER, KernelFacts("dmesg", whole=True), packages(), system())
    assert [name for name, outcome in found.items() if outcome is FAILED] == ["gpu.driver"]
    assert found["gpu.smi"] is UNKNOWN


def test_a_mismatch_is_one_red_line() -> None:
    facts = gpus(
        ADA, library_version="580.105.08", smi=SmiRun("/usr/bin/nvidia-smi", True, 18, 0.1, "mismatch")
    )
    found = everything(facts, KernelFacts("dmesg", whole=True), packages(), system())
    assert [name for name, outcome in found.items() if outcome is FAILED] == ["gpu.versions"]


def test_hostile_facts_are_shown_clean() -> None:
    evil = "x\x1b[31m\u202e]0;\x07"
    facts = gpus(evil, library_version=evil, disk_signer=evil, user=evil, efi=True, secure_boot=True)
    facts = replace(facts, smi=replace(facts.smi, status=9, error=evil))
    found = packages(dkms=(DkmsBuild(evil, evil, evil, evil),), built=(evil,))
    found = replace(found, packages=(DriverPackage(evil, evil, evil),), distribution=evil)
    for check in ("gpu.bus", "gpu.driver", "gpu.versions", "gpu.secure-boot", "gpu.smi", "gpu.flavor"):
        assert judge(check, facts).text.isprintable(), check
    assert judge("gpu.driver", replace(NO_DRIVER, smi=SmiRun(gpus=(SmiGpu(evil),))), found).text.isprintable()
