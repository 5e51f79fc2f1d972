"""How the driver's packages are kept on their branch: in words, and as a fix."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from gpubox.boxes.checks.fix import FileEdit, Fix, UndoableCommand
from gpubox.boxes.checks.gpu.facts import DriverPackage, LockFile, PackageFacts
from gpubox.core.sanitize import clean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{1,79}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^-]{0,79}")
"""Names and versions that are put into commands and files as they are."""
_BUILT = re.compile(r"kmod-nvidia.*-\d+\.\d+\.\d+")
"""Packages with the module for one kernel, which no update replaces."""
_ENTRY = re.compile(r"^\s*name\s*=\s*[\"']([^\"']*)", re.M)
"""Names in the file of dnf 5, which may have wildcards."""
_TITLE = "Hold the driver's packages"
_COST = "They get no updates, of security either, until you release them: "
_FIRST = 'version = "1.0"\n'
"""Without this line dnf 5 applies nothing in its file."""


def hold_step(limit: int, packages: Sequence[DriverPackage], found: PackageFacts) -> str:
    """Return how packages are kept on their branch."""
    names = " ".join(clean(package.name, 60) for package in packages[:6])
    match found.manager:
        case "apt" if _from_nvidia(found):
            return f"sudo apt install nvidia-driver-pinning-{limit}, before the next upgrade"
        case "apt":
            return f"sudo apt-mark hold {names}{' and its other parts' if len(packages) > 6 else ''}"
        case "dnf":
            return (
                f"sudo dnf versionlock add {names}; RPM Fusion has akmod-nvidia-{limit}xx, which stays on "
                f"{limit}"
            )
        case "pacman":
            return f"Replace {names} by nvidia-{limit}xx-dkms of the AUR, before the next pacman -Syu"
        case "zypper":
            return f"sudo zypper addlock {names}"
        case _:
            return f"Hold the packages of the driver on branch {limit}"


def hold_fix(packages: Sequence[DriverPackage], found: PackageFacts) -> Fix | None:
    """Return the fix that holds packages that are not held yet, or None where no undo would be exact.

    dnf and zypper rewrite their file of locks when a lock is removed, and drop the comments in it. So the
    fix adds to the file itself, and its undo brings back each byte.
    """
    held = [package for package in packages if not _BUILT.match(package.name)]
    if not held or not all(_NAME.fullmatch(one.name) and _VERSION.fullmatch(one.version) for one in held):
        return None
    names = tuple(package.name for package in held)
    if found.manager == "apt" and not _from_nvidia(found):
        command = UndoableCommand(("apt-mark", "hold", *names), ("apt-mark", "unhold", *names))
        return Fix(_TITLE, f"{_COST}sudo apt-mark unhold.", commands=(command,))
    lock = found.lock_file
    text = _with_locks(lock, held) if lock else None
    if lock is None or text is None:
        return None
    by_hand = "sudo zypper removelock" if lock.kind == "zypp" else "sudo dnf versionlock delete"
    return Fix(_TITLE, f"{_COST}{by_hand}.", files=(FileEdit(lock.path, text),))


def _from_nvidia(found: PackageFacts) -> bool:
    """Return whether the packages are those of NVIDIA's repository for apt, which has a package that pins."""
    return any(
        package.name in ("cuda-drivers", "nvidia-open") or package.name.startswith("nvidia-driver-pinning")
        for package in found.packages
    )


def _with_locks(lock: LockFile, packages: Sequence[DriverPackage]) -> str | None:
    """Return the text of a file of locks with more of them, or None where they would have no effect."""
    before = lock.text + ("" if lock.text.endswith("\n") or not lock.text else "\n")
    match lock.kind:
        case "list":
            lines = "".join(f"{one.name}-{one.epoch}:{one.version}.*\n" for one in packages)
            return f"{before}\n# Added by gpubox\n{lines}"
        case "toml":
            text = (before or _FIRST) + "".join(map(_table, packages))
            return text if _is_sound(before, text, packages) else None
        case "zypp":
            block = "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {}\n"
            return before + "".join(block.format(one.name) for one in packages)
        case _:
            return None


def _table(package: DriverPackage) -> str:
    return (
        f'\n[[packages]]\nname = "{package.name}"\ncomment = "Added by gpubox"\n\n[[packages.conditions]]\n'
        f'key = "evr"\ncomparator = "="\nvalue = "{package.epoch}:{package.version}"\n'
    )


def _is_sound(before: str, after: str, packages: Sequence[DriverPackage]) -> bool:
    """Return whether dnf 5 reads a file, and no entry from before lets other versions of a package in."""
    try:
        sound = tomllib.loads(after).get("version") == "1.0"
    except tomllib.TOMLDecodeError:
        return False
    entries = _ENTRY.findall(before)
    return sound and not any(fnmatchcase(one.name, name) for one in packages for name in entries)
