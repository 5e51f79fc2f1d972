"""Whether the driver's branch drives these cards, still gets fixes, and survives the next update."""

from __future__ import annotations

import re

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, warning
from gpubox.boxes.checks.gpu.branches import (
    ADVISED,
    BRANCHES,
    FIRST_BRANCH,
    LAST_BRANCH,
    OLDEST_LISTED,
    branch_of,
    days_left,
    month,
)
from gpubox.boxes.checks.gpu.cards import GpuCard, cards_of, counted, driver_version, last_branch, optional
from gpubox.boxes.checks.gpu.facts import DriverPackage, GpuFacts, PackageFacts
from gpubox.boxes.checks.gpu.holds import hold_fix, hold_step
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.core.sanitize import clean

_DRIVER = re.compile(
    r"(?:akmod|kmod|xorg-x11-drv)-nvidia|nvidia-(?:driver|open|dkms|kernel|utils|headless|compute-utils|tesla|legacy"
    r"|lts|\d+xx)|nvidia$|cuda-drivers|libnvidia-compute|linux-modules-nvidia"
)
"""Packages whose version is that of the driver."""
_FOLLOWS = {
    "apt": re.compile(r"(?:cuda-drivers|nvidia-open|nvidia-driver-open|libnvidia-compute)$"),
    "dnf": re.compile(
        r"(?:akmod-nvidia|kmod-nvidia|xorg-x11-drv-nvidia|nvidia-open|cuda-drivers|nvidia-driver)$"
    ),
    "zypper": re.compile(r"(?:nvidia-open|cuda-drivers)$"),
    "pacman": re.compile(r"nvidia(?:-open)?(?:-dkms|-lts)?$"),
}
"""Packages that go to the newest branch by themselves: of NVIDIA's repositories, RPM Fusion and Arch."""
_SOON = 90.0
"""Days before the end of a branch from which it is named."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    version = driver_version(facts)
    branch = branch_of(version)
    if facts.platform or branch is None:
        return not_here("The driver comes with the host's system")
    cards = cards_of(facts)
    wrong = _not_driven(branch, cards)
    if wrong is not None:
        return wrong
    packages = optional(gathered, PackageFacts) or PackageFacts()
    if not facts.container:
        crossing = _next_update(branch, cards, packages)
        if crossing is not None:
            return crossing
    system = optional(gathered, SystemFacts)
    ended = _support(branch, cards, system.time if system else None)
    return ended or _well(branch, cards, packages)


def _not_driven(branch: int, cards: list[GpuCard]) -> Result | None:
    """Return the fault of cards that this branch does not drive, or None."""
    beyond = [card for card in cards if branch > LAST_BRANCH.get(card.architecture, branch)]
    if beyond:
        last = last_branch(beyond)
        return failed(
            f"Branch {branch} does not drive {_named(beyond)}: {last} is the last that does",
            f"Go back to branch {last}, and hold its packages",
            value=str(branch),
        )
    early = [card for card in cards if branch < FIRST_BRANCH.get(card.architecture, branch)]
    if early:
        first = max(FIRST_BRANCH[card.architecture] for card in early)
        return failed(
            f"Branch {branch} does not know {_named(early)}: {first} is the first that does",
            f"Install branch {ADVISED}, with the open kernel modules",
            value=str(branch),
        )
    return None


def _next_update(branch: int, cards: list[GpuCard], packages: PackageFacts) -> Result | None:
    """Return what the next update would do to cards whose last branch is known, or None."""
    limit = last_branch(cards)
    if limit is None:
        return None
    driver = [package for package in packages.packages if _DRIVER.match(package.name)]
    crossing = [package for package in driver if (branch_of(package.candidate) or 0) > limit]
    ready = [package for package in crossing if not package.held]
    old = [card for card in cards if card.architecture in LAST_BRANCH]
    if ready:
        return _crosses(branch, limit, old, ready, packages)
    loose = [package for package in driver if not package.held]
    follows = _FOLLOWS.get(packages.manager)
    following = [package for package in loose if follows and follows.match(package.name)]
    if following and not packages.pinned:
        return warning(
            f"{clean(following[0].name, 40)} follows the newest branch, and {limit} is the last for "
            f"{_named(old)}",
            hold_step(limit, loose, packages),
            value=str(branch),
            details=_lines(following),
            fix=hold_fix(loose, packages),
        )
    return None


def _crosses(
    branch: int, limit: int, old: list[GpuCard], loose: list[DriverPackage], packages: PackageFacts
) -> Result:
    """Return the result of an update that is ready and leaves the last branch of a card."""
    newest = max(branch_of(package.candidate) or 0 for package in loose)
    step = hold_step(limit, loose, packages)
    if packages.automatic and not packages.excluded:
        return failed(
            f"Updates install themselves here, and the next may bring branch {newest}, which does not drive "
            f"{_named(old)}",
            step,
            value=str(branch),
            details=_lines(loose),
            fix=hold_fix(loose, packages),
        )
    return warning(
        f"The next update brings branch {newest}, which does not drive {_named(old)}: {limit} is the last",
        step,
        value=str(branch),
        details=_lines(loose),
        fix=hold_fix(loose, packages),
    )


def _support(branch: int, cards: list[GpuCard], now: float | None) -> Result | None:
    """Return what is to be said of the end of a branch, or None."""
    known = BRANCHES.get(branch)
    limit = last_branch(cards)
    value = str(branch)
    if limit == branch < ADVISED:
        return hint(
            f"{branch} is the last branch for {_named(cards)}, and gets no fixes any more",
            "Leave it, and let no strangers use the box; newer frameworks need a newer card",
            value=value,
        )
    step = f"Go to branch {ADVISED}, which is supported until {month(BRANCHES[ADVISED].ends)}"
    if known is None:
        if branch < OLDEST_LISTED:
            return warning(f"Branch {branch} gets no fixes any more", step, value=value)
        return None
    if known.kind == "short-lived" and not known.ends:
        return hint(
            f"Branch {branch} is a short-lived one: NVIDIA gives no end, and the next one replaces it",
            step,
            value=value,
        )
    if now is None or not known.ends:
        return None
    left = days_left(known.ends, now)
    if left < 0:
        text = f"Branch {branch} gets no fixes from NVIDIA since {month(known.ends)}"
        return (
            warning(text, step, value=value)
            if branch < ADVISED or not limit
            else hint(text, step, value=value)
        )
    if left < _SOON:
        return hint(f"Branch {branch} gets fixes until {month(known.ends)}", step, value=value)
    return None


def _well(branch: int, cards: list[GpuCard], packages: PackageFacts) -> Result:
    """Return the result of a branch that is right, and stays."""
    known = BRANCHES.get(branch)
    until = f", with fixes until {month(known.ends)}" if known and known.ends else ""
    limit = last_branch(cards)
    held = [package for package in packages.packages if package.held and _DRIVER.match(package.name)]
    if limit is None:
        note = "; its packages are held" if held else ""
        return ok(f"Branch {branch}{until}{note}", value=str(branch))
    if held:
        way = "its packages are held"
    elif packages.pinned:
        way = "it is pinned"
    elif any(_DRIVER.match(package.name) for package in packages.packages):
        way = "its packages stay on it"
    else:
        way = "no package manager updates it"
    old = [card for card in cards if card.architecture in LAST_BRANCH]
    last = "the last" if branch == limit else f"{limit} is the last"
    return ok(
        f"Branch {branch}{until}; {last} for {_named(old)}, and {way}",
        value=str(branch),
        details=_lines(held),
    )


def _named(cards: list[GpuCard]) -> str:
    """Return cards with their architectures: `GTX 1080 (Pascal)`."""
    return counted(
        [f"{card.name} ({card.architecture})" if card.architecture else card.name for card in cards], 2
    )


def _lines(packages: list[DriverPackage]) -> tuple[str, ...]:
    return tuple(
        f"{package.name} {package.version}"
        + (f" -> {package.candidate}" if package.candidate else "")
        + (" (held)" if package.held else "")
        for package in packages[:8]
    )


CHECK = Check(
    id="gpu.branch",
    title="The driver drives the cards after the next update, too",
    why="NVIDIA's driver comes in branches, and each drops old cards some day: 580 is the last for "
    "Maxwell, Pascal and Volta (GTX 900 and 1000, P100, V100). Packages that follow the newest branch take "
    "such a card away in one upgrade, or in the night where updates install themselves. Held or pinned "
    "packages stay; they then also miss fixes until somebody installs them by hand. A branch without fixes "
    "still works, with known holes.",
    command="nvidia-smi --query-gpu=name,driver_version --format=csv; apt-cache policy 'nvidia-driver*'; "
    "apt-mark showhold",
    needs=(GpuFacts, PackageFacts, SystemFacts),
    judge=_judge,
    depends_on=("gpu.driver",),
)
