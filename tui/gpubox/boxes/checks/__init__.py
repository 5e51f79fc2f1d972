"""Checks of how a box is set up: one file each, in the folder of its group; no list names them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from gpubox.boxes.checks.check import GROUPS, Check


@cache
def all_checks() -> Sequence[Check]:
    """Return every check: the groups in the order of GROUPS, in each those first that others depend on.

    A module without a CHECK holds what the checks of its group share: facts, tables.
    """
    found: list[Check] = []
    for group in GROUPS:
        folder = import_module(f"{__name__}.{group}")
        names = sorted(module.name for module in iter_modules(folder.__path__))
        modules = [import_module(f"{__name__}.{group}.{name}") for name in names]
        found += [cast("Check", module.CHECK) for module in modules if hasattr(module, "CHECK")]
    return _in_order(found)


def _in_order(found: Sequence[Check]) -> list[Check]:
    by_id = {check.id: check for check in found}
    ordered: dict[str, Check] = {}

    def add(check: Check) -> None:
        for dependency in check.depends_on:
            add(by_id[dependency])
        ordered.setdefault(check.id, check)

    for check in found:
        add(check)
    groups = list(GROUPS)
    return sorted(ordered.values(), key=lambda check: groups.index(check.group))
