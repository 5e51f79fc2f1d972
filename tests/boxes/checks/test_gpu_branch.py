"""Whether a driver's branch drives the cards, gets fixes, and survives the next update."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.gpu.branches import (
    BRANCHES,
    architecture_of,
    branch_of,
    capability_of,
    days_left,
    month,
)
from gpubox.boxes.checks.gpu.facts import PackageFacts
from tests.boxes.checks.facts import judge
from tests.boxes.checks.gpu_boxes import NOW, gpus, packages, system

FAILED, WARNING, HINT, OK = Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK

MAXWELL, PASCAL, VOLTA = "GeForce GTX 980 Ti", "NVIDIA GeForce GTX 1080 Ti", "Tesla V100-SXM2-32GB"
KEPLER, TURING, AMPERE = "Tesla K80", "NVIDIA GeForce RTX 2080 Ti", "NVIDIA A100-SXM4-80GB"
ADA, HOPPER, BLACKWELL = "NVIDIA GeForce RTX 4090", "NVIDIA H100 80GB HBM3", "NVIDIA GeForce RTX 5090"
NEW = "NVIDIA Rubin R100"

U580 = packages("nvidia-driver-580 580.95.05-0ubuntu1", "nvidia-dkms-580 580.95.05-0ubuntu1")
U580_OWN = packages("cuda-drivers 580.95.05-1ubuntu1", "nvidia-driver 580.95.05-1ubuntu1")
CROSSING = ("cuda-drivers 580.95.05-1ubuntu1 -> 590.44.01-1ubuntu1", "nvidia-driver 580.95 -> 590.44.01")
HELD = tuple(f"{row} held" for row in CROSSING)
ARCH = {"manager": "pacman", "distribution": "arch"}
FEDORA = {"manager": "dnf", "distribution": "fedora 43"}
DEBIAN = {"distribution": "debian 13"}
RUNFILE = packages()

ROWS: list[tuple[str, str, str, PackageFacts, Outcome, str]] = [
    # What the next update would do to the last cards of 580.
    ("pascal-own-branch", PASCAL, "580.95.05", U580, OK, "its packages stay on it"),
    ("volta-own-branch", VOLTA, "580.95.05", U580, OK, "Volta"),
    ("maxwell-own-branch", MAXWELL, "580.95.05", U580, OK, "Maxwell"),
    ("pascal-crossing", PASCAL, "580.95.05", packages(*CROSSING), WARNING, "next update brings branch 590"),
    ("volta-crossing", VOLTA, "580.95.05", packages(*CROSSING), WARNING, "does not drive"),
    (
        "pascal-crossing-alone", PASCAL, "580.95.05",
        packages(*CROSSING, automatic=True), FAILED, "install themselves",
    ),
    (
        "pascal-crossing-excluded", PASCAL, "580.95.05",
        packages(*CROSSING, automatic=True, excluded=True), WARNING, "next update",
    ),
    ("pascal-held", PASCAL, "580.95.05", packages(*HELD), OK, "its packages are held"),
    ("pascal-held-automatic", PASCAL, "580.95.05", packages(*HELD, automatic=True), OK, "held"),
    ("pascal-half-held", PASCAL, "580.95.05", packages(CROSSING[0], HELD[1]), WARNING, "next update"),
    ("pascal-follows", PASCAL, "580.95.05", U580_OWN, WARNING, "follows the newest branch"),
    (
        "pascal-pinned", PASCAL, "580.95.05",
        packages("cuda-drivers 580.95.05-1", pinned=("nvidia-driver-pinning-580",)), OK, "it is pinned",
    ),
    ("pascal-runfile", PASCAL, "580.95.05", RUNFILE, OK, "no package manager updates it"),
    (
        "pascal-same-branch", PASCAL, "580.82.07",
        packages("nvidia-driver-580 580.82.07 -> 580.95.05"), OK, "Branch 580",
    ),
    (
        "pascal-transitional", PASCAL, "580.65.06",
        packages("nvidia-driver-570 580.65.06 -> 580.95.05", "nvidia-driver-580 580.65.06"), OK, "Branch 580",
    ),
    ("mixed-crossing", f"{PASCAL}+{ADA}", "580.95.05", packages(*CROSSING), WARNING, "GTX 1080 Ti (Pascal)"),
    ("ada-crossing", ADA, "580.95.05", packages(*CROSSING), OK, "Branch 580"),
    ("hopper-crossing-alone", HOPPER, "580.95.05", packages(*CROSSING, automatic=True), OK, "mid 2028"),
    (
        "arch-pascal", PASCAL, "580.119.02",
        packages("nvidia-dkms 580.119.02-1 -> 590.44.01-1", **ARCH), WARNING, "590",
    ),
    (
        "arch-pascal-follows", PASCAL, "580.119.02",
        packages("nvidia 580.119.02-1", **ARCH), WARNING, "follows",
    ),
    (
        "arch-pascal-aur", PASCAL, "580.119.02",
        packages("nvidia-580xx-dkms 580.119.02-1", **ARCH), OK, "stay on it",
    ),
    ("arch-ada", ADA, "595.58.03", packages("nvidia-open 595.58.03-1", **ARCH), OK, "Branch 595"),
    (
        "arch-ignored", PASCAL, "580.119.02",
        packages("nvidia-dkms 580.119 -> 590.44 held", **ARCH), OK, "held",
    ),
    (
        "fedora-pascal", PASCAL, "580.105.08",
        packages("akmod-nvidia 580.105.08-1", **FEDORA), WARNING, "follows",
    ),
    (
        "fedora-pascal-580xx", PASCAL, "580.105.08",
        packages("akmod-nvidia-580xx 580.105.08-1", **FEDORA), OK, "stay",
    ),
    (
        "fedora-volta-crossing", VOLTA, "580.105.08",
        packages("akmod-nvidia 580.105 -> 595.45", **FEDORA), WARNING, "595",
    ),
    ("fedora-turing", TURING, "595.58.03", packages("akmod-nvidia 595.58.03-1", **FEDORA), OK, "March 2027"),
    # A branch that does not drive a card.
    ("pascal-590", PASCAL, "590.44.01", RUNFILE, FAILED, "does not drive GeForce GTX 1080 Ti (Pascal): 580"),
    ("volta-620", VOLTA, "620.10", RUNFILE, FAILED, "580 is the last"),
    ("maxwell-595", MAXWELL, "595.58.03", RUNFILE, FAILED, "Maxwell"),
    ("kepler-535", KEPLER, "535.247.01", RUNFILE, FAILED, "470 is the last"),
    ("mixed-590", f"{VOLTA}+{HOPPER}", "590.44.01", RUNFILE, FAILED, "V100"),
    (
        "blackwell-550", BLACKWELL, "550.163.01",
        packages("nvidia-driver 550.163.01-2", **DEBIAN), FAILED, "570",
    ),
    ("blackwell-565", BLACKWELL, "565.77", RUNFILE, FAILED, "does not know"),
    # Branches that get no more fixes, or soon none.
    ("kepler-470", KEPLER, "470.256.02", RUNFILE, HINT, "last branch for"),
    (
        "ampere-535", AMPERE, "535.247.01",
        packages("nvidia-driver-535 535.247.01"), WARNING, "since June 2026",
    ),
    ("ada-550", ADA, "550.163.01", packages("nvidia-driver 550.163.01-2", **DEBIAN), WARNING, "April 2025"),
    (
        "pascal-550", PASCAL, "550.163.01",
        packages("nvidia-driver 550.163.01-2", **DEBIAN), WARNING, "April 2025",
    ),
    ("turing-525", TURING, "525.147.05", RUNFILE, WARNING, "December 2023"),
    ("turing-450", TURING, "450.248.02", RUNFILE, WARNING, "no fixes any more"),
    ("ada-570", ADA, "570.211.01", packages("nvidia-driver-570 570.211.01"), WARNING, "February 2026"),
    ("ada-575", ADA, "575.64.03", RUNFILE, WARNING, "August 2025"),
    ("ada-590", ADA, "590.44.01", RUNFILE, HINT, "short-lived"),
    ("ada-610", ADA, "610.43.02", RUNFILE, WARNING, "August 2026"),
    ("hopper-615", HOPPER, "615.20", RUNFILE, HINT, "short-lived"),
    # Branches in support.
    ("ampere-580", AMPERE, "580.95.05", U580, OK, "mid 2028"),
    ("blackwell-580", BLACKWELL, "580.95.05", U580, OK, "Branch 580"),
    ("ada-595", ADA, "595.58.03", RUNFILE, OK, "March 2027"),
    ("hopper-620", HOPPER, "620.10", RUNFILE, OK, "September 2029"),
    ("unknown-card", NEW, "620.10", RUNFILE, OK, "September 2029"),
    ("unknown-branch", ADA, "630.10", RUNFILE, OK, "Branch 630"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cards", "driver", "found", "outcome", "words"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_branch_is_judged_by_card_and_update(
    cards: str, driver: str, found: PackageFacts, outcome: Outcome, words: str
) -> None:
    result = judge("gpu.branch", gpus(*cards.split("+"), driver=driver), found, system())
    assert (result.outcome, words in result.text) == (outcome, True), result.text
    assert result.value == driver[:3]
    assert bool(result.step) is (outcome is not OK)


def test_there_are_forty_combinations() -> None:
    assert len({row[0] for row in ROWS}) >= 40


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (packages(*CROSSING), "nvidia-driver-pinning-580"),
        (packages("nvidia-driver-580 580.95 -> 590.44"), "sudo apt-mark hold nvidia-driver-580"),
        (packages("nvidia-dkms 580.119 -> 590.44", **ARCH), "nvidia-580xx-dkms"),
        (packages("akmod-nvidia 580.105 -> 595.45", **FEDORA), "sudo dnf versionlock add akmod-nvidia"),
        (packages("nvidia-open 580.95 -> 590.44", manager="zypper"), "sudo zypper addlock nvidia-open"),
        (packages("nvidia-driver-580 580.95 -> 590.44", manager=""), "Hold the packages"),
    ],
)
def test_how_to_stay_on_a_branch_is_said(found: PackageFacts, step: str) -> None:
    assert step in judge("gpu.branch", gpus(PASCAL), found, system()).step


def test_the_end_of_a_branch_is_named_when_it_is_near() -> None:
    april = NOW + 100 * 86400
    result = judge("gpu.branch", gpus(ADA, driver="595.58.03"), packages(), system(now=april))
    assert (result.outcome, "until March 2027" in result.text) == (HINT, True)


def test_without_facts_of_packages_the_card_is_judged_all_the_same() -> None:
    assert judge("gpu.branch", gpus(PASCAL, driver="590.44.01")).outcome is FAILED
    assert judge("gpu.branch", gpus(PASCAL)).outcome is OK


def test_a_container_is_not_blamed_for_updates_of_its_host() -> None:
    facts = gpus(PASCAL, container="docker")
    assert judge("gpu.branch", facts, packages(*CROSSING), system()).outcome is OK


def test_a_driver_of_the_host_system_is_not_judged() -> None:
    assert judge("gpu.branch", gpus(ADA, platform="wsl")).outcome is Outcome.NOT_HERE


@pytest.mark.parametrize(
    ("name", "capability", "architecture"),
    [
        (MAXWELL, "5.2", "Maxwell"),
        ("NVIDIA GeForce GTX 750 Ti", "5.0", "Maxwell"),
        ("NVIDIA GeForce GTX TITAN X", "5.2", "Maxwell"),
        (PASCAL, "6.1", "Pascal"),
        ("Tesla P100-PCIE-16GB", "6.0", "Pascal"),
        ("Tesla P40", "6.1", "Pascal"),
        ("NVIDIA TITAN Xp", "6.1", "Pascal"),
        ("Quadro P6000", "6.1", "Pascal"),
        (VOLTA, "7.0", "Volta"),
        ("NVIDIA TITAN V", "7.0", "Volta"),
        (TURING, "7.5", "Turing"),
        ("Tesla T4", "7.5", "Turing"),
        ("NVIDIA GeForce GTX 1660 Ti", "7.5", "Turing"),
        (AMPERE, "8.0", "Ampere"),
        ("NVIDIA RTX A6000", "8.6", "Ampere"),
        ("NVIDIA GeForce RTX 3090", "8.6", "Ampere"),
        ("NVIDIA A10G", "8.6", "Ampere"),
        (ADA, "8.9", "Ada"),
        ("NVIDIA L40S", "8.9", "Ada"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9", "Ada"),
        (HOPPER, "9.0", "Hopper"),
        ("NVIDIA H200", "9.0", "Hopper"),
        ("NVIDIA GH200 480GB", "9.0", "Hopper"),
        ("NVIDIA B200", "10.0", "Blackwell"),
        ("NVIDIA GB200", "10.0", "Blackwell"),
        ("NVIDIA B300 SXM6 AC", "10.3", "Blackwell"),
        (BLACKWELL, "12.0", "Blackwell"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "12.0", "Blackwell"),
        ("NVIDIA GB10", "12.1", "Blackwell"),
        (KEPLER, "3.7", "Kepler"),
        ("Some Card", "", ""),
        ("GP104 [GeForce GTX 1070]", "6.1", "Pascal"),
        ("GA102GL [something]", "", "Ampere"),
    ],
)
def test_cards_are_known_by_name(name: str, capability: str, architecture: str) -> None:
    assert (capability_of(name), architecture_of(capability_of(name), name)) == (capability, architecture)


@pytest.mark.parametrize(
    ("version", "branch"),
    [
        ("580.95.05", 580),
        ("1:590.44.01-1", 590),
        ("550.163.01-2", 550),
        ("12.4.1", None),
        ("", None),
        ("580", 580),
    ],
)
def test_a_branch_is_the_first_number(version: str, branch: int | None) -> None:
    assert branch_of(version) == branch


def test_the_table_of_branches_is_sound() -> None:
    assert list(BRANCHES) == sorted(BRANCHES)
    for branch in BRANCHES.values():
        assert not branch.ends or month(branch.ends)
    assert 0 < days_left("2026-11", NOW) < 4
    assert days_left("2026-12", NOW) > 30
    assert days_left("2026-10", NOW) < 0


def test_hostile_names_are_shown_clean() -> None:
    facts = gpus("evil\x1b[2J\u202e GTX 1080", driver="590.44.01")
    found = packages("nvidia-driver-580\x1b[31m 580.95 -> 590.44")
    text = judge("gpu.branch", facts, found, system()).text
    assert text.isprintable()
