"""Branches of NVIDIA's driver, architectures of cards, and which of the two go together.

From NVIDIA's pages of supported drivers, and its matrix of toolkits, drivers and architectures, as of
late 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of the driver: all versions that begin with one number."""

    kind: Literal["legacy", "long-term", "production", "short-lived"]
    ends: str = ""
    """Year and month of its last fixes; empty where NVIDIA gives none."""
    cuda: str = ""
    """The newest CUDA that it runs; empty when not confirmed."""


BRANCHES = {
    390: Branch("legacy", "2022-11", "9.1"),
    470: Branch("legacy", "2024-07", "11.4"),
    515: Branch("production", "2023-12", "11.7"),
    520: Branch("short-lived", "2023-12", "11.8"),
    525: Branch("production", "2023-12", "12.0"),
    535: Branch("long-term", "2026-06", "12.2"),
    545: Branch("short-lived", "2024-10", "12.3"),
    550: Branch("production", "2025-04", "12.4"),
    555: Branch("short-lived", "2025-06", "12.5"),
    560: Branch("short-lived", "2025-08", "12.6"),
    565: Branch("short-lived", "2025-10"),
    570: Branch("production", "2026-02", "12.8"),
    575: Branch("short-lived", "2025-08", "12.9"),
    580: Branch("long-term", "2028-06", "13.0"),
    590: Branch("short-lived", "", "13.1"),
    595: Branch("production", "2027-03", "13.2"),
    610: Branch("short-lived", "2026-08", "13.3"),
    615: Branch("short-lived"),
    620: Branch("long-term", "2029-09"),
}
"""What is known of each branch."""
OLDEST_LISTED = 525
"""A branch before this one that is not listed has ended, too."""
ADVISED = 580
"""The long-term branch that drives every card since Maxwell."""
LAST_BRANCH = {"Fermi": 390, "Kepler": 470, "Maxwell": 580, "Pascal": 580, "Volta": 580}
"""The last branch that drives an architecture; later ones are driven by all newer branches so far."""
FIRST_BRANCH = {"Blackwell": 570}
"""The first branch that drives an architecture, where that is confirmed."""
LAST_CUDA = {"Fermi": (8, 0), "Kepler": (11, 8), "Maxwell": (12, 9), "Pascal": (12, 9), "Volta": (12, 9)}
"""The last toolkit that compiles for an architecture."""
FIRST_CUDA = {
    "Volta": (9, 0),
    "Turing": (10, 0),
    "Ampere": (11, 0),
    "Ada": (11, 8),
    "Hopper": (11, 8),
    "Blackwell": (12, 8),
}
OPEN_ONLY = ("Blackwell",)
"""Architectures that only the open kernel modules drive."""
PROPRIETARY_ONLY = ("Fermi", "Kepler", "Maxwell", "Pascal", "Volta")

_CODES = (
    ("GF", "Fermi"),
    ("GK", "Kepler"),
    ("GM", "Maxwell"),
    ("GP", "Pascal"),
    ("GV", "Volta"),
    ("TU", "Turing"),
    ("GA", "Ampere"),
    ("AD", "Ada"),
    ("GH", "Hopper"),
    ("GB", "Blackwell"),
)
"""First letters of chips in the list of PCI ids: `GP104 [GeForce GTX 1070]`."""

_NAMES = tuple(
    (re.compile(pattern), capability)
    for pattern, capability in (
        (r"RTX PRO \d{4}.*Blackwell|RTX 50[5-9]0", "12.0"),
        (r"\bGB10\b", "12.1"),
        (r"\bG?B300\b", "10.3"),
        (r"\bG?B200\b", "10.0"),
        (r"\bG?H[12]00\b|\bGH200\b|\bH20\b", "9.0"),
        (r"RTX 40[5-9]0|\bL4\b|\bL40S?\b|RTX \d{4} Ada|RTX \d{4} SFF Ada", "8.9"),
        (r"\bA100\b|\bA30\b", "8.0"),
        (r"RTX 30[5-9]0|\bA40\b|\bA10G?\b|\bA16\b|\bA2\b|RTX A\d{3,4}", "8.6"),
        (r"GTX 16[5-6]0|RTX 20[6-8]0|\bT4G?\b|TITAN RTX|Quadro RTX|\bT[1246]00\b|\bT1000\b", "7.5"),
        (r"\bV100S?\b|TITAN V\b|Quadro GV100", "7.0"),
        (r"\bP100\b|\bGP100\b", "6.0"),
        (
            r"GTX 10[5-8]0|\bP40\b|\bP4\b|\bP6\b|Quadro P\d{3,4}|TITAN Xp\b|(?<!GTX )TITAN X\b|GT 10[13]0",
            "6.1",
        ),
        (r"GTX 9[5-8]0|\bM40\b|\bM60\b|\bM6\b|\bM4\b|GTX TITAN X|Quadro M\d{4}", "5.2"),
        (r"GTX 7[45]0\b", "5.0"),
        (r"\bK80\b", "3.7"),
        (r"\bK[24]0[cmsx]?\b|GTX 7[78]0|GTX TITAN", "3.5"),
    )
)
"""Compute capabilities by name, where the driver does not say it: NVIDIA's lists of CUDA GPUs."""


def branch_of(version: str) -> int | None:
    """Return the branch of a driver's version, also of a package's: `1:580.95.05-0ubuntu1` is 580."""
    found = re.match(r"(?:\d+:)?(\d{3,4})(?:\.|$)", version)
    return int(found.group(1)) if found else None


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparison."""
    return tuple(int(number) for number in re.findall(r"\d{1,9}", version)[:4])


def capability_of(name: str) -> str:
    """Return the compute capability of a card by its name; empty for an unknown one."""
    return next((capability for pattern, capability in _NAMES if pattern.search(name)), "")


def architecture_of(capability: str, name: str = "") -> str:
    """Return the architecture of a card; empty for an unknown one."""
    code = re.match(r"([A-Z]{2})\d", name)
    by_code = dict(_CODES).get(code.group(1), "") if code else ""
    major, minor = ([*numbers(capability), 0, 0])[:2]
    if not major:
        return by_code or (architecture_of(capability_of(name)) if capability_of(name) else "")
    if major == 7:
        return "Turing" if minor == 5 else "Volta"
    if major == 8:
        return "Ada" if minor == 9 else "Ampere"
    majors = {
        2: "Fermi",
        3: "Kepler",
        5: "Maxwell",
        6: "Pascal",
        9: "Hopper",
        10: "Blackwell",
        12: "Blackwell",
    }
    return majors.get(major, "")


def month(ends: str) -> str:
    """Return the end of a branch in words; the pages disagree by two months on that of 580."""
    year, _, number = ends.partition("-")
    if ends == "2028-06":
        return "mid 2028"
    return f"{datetime(int(year), int(number), 1, tzinfo=UTC):%B %Y}"


def days_left(ends: str, now: float) -> float:
    """Return the days until the end of a month; negative after it."""
    year, _, number = ends.partition("-")
    months = int(year) * 12 + int(number)  # of the next month, counted from 0
    end = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    return (end.timestamp() - now) / 86400
