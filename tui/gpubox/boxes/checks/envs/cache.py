"""How much room the caches of packages take."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown
from gpubox.boxes.checks.envs.facts import EnvsFacts, PackageCache
from gpubox.common.units import size
from gpubox.core.sanitize import clean

_LARGE = 20 << 30
_CLEAN = {"conda": "conda clean --all", "uv": "uv cache prune", "pip": "pip cache purge"}


def _judge(gathered: Gathered) -> Result:
    caches = gathered.of(EnvsFacts).caches
    if caches is None:
        return unknown("The caches could not be measured in time", "du -sh ~/.cache/pip ~/.cache/uv ~/*/pkgs")
    if not caches:
        return not_here("No tool keeps a cache of packages")
    total = sum(max(0, one.own) for one in caches)
    whole = all(one.whole for one in caches)
    amount = f"{'' if whole else 'at least '}{size(total)}"
    lines = tuple(_said(one) for one in caches)
    if total > _LARGE:
        tools = dict.fromkeys(
            one.tool for one in sorted(caches, key=lambda one: -one.own) if one.own > _LARGE // 20
        )
        step = "; ".join(_CLEAN[tool] for tool in tools if tool in _CLEAN)
        return hint(f"Caches of packages take {amount}", step, details=lines)
    return ok(f"Caches of packages take {amount}", details=lines)


def _said(one: PackageCache) -> str:
    shared = f", and {size(one.shared)} that environments share" if one.shared else ""
    return f"{clean(one.path, 100)}: {'' if one.whole else 'at least '}{size(one.own)}{shared}"


CHECK = Check(
    id="envs.cache",
    title="Caches of packages are small",
    why="conda, uv and pip keep each package that they ever fetched, and one build of PyTorch with CUDA "
    "is 5 GB. To clean a cache costs a download at the next install, and nothing else: files that "
    "environments share with it by hard links stay where they are. The count here stops after a second, "
    "so a large cache shows as `at least`.",
    command="du -sh ~/.cache/pip ~/.cache/uv ~/miniforge3/pkgs",
    needs=(EnvsFacts,),
    judge=_judge,
)
