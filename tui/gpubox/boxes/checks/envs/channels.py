"""Which channels conda takes packages from."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.core.sanitize import clean

_ANACONDA = ("defaults", "main", "anaconda", "r", "pkgs/main", "pkgs/r", "msys2")
_HOST = "repo.anaconda.com"
_FORGE = "conda-forge"
_ONLY = "conda config --add channels conda-forge && conda config --remove channels defaults"
_STRICT = "conda config --set channel_priority strict"
_OWN_DEFAULT = ("miniconda", "anaconda")
"""Installations whose built-in channel is Anaconda's."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(EnvsFacts)
    roots = facts.conda_roots
    if not roots:
        return not_here("The box has no conda")
    names = facts.channels or (("defaults",) if any(root.flavor in _OWN_DEFAULT for root in roots) else ())
    said = ", ".join(clean(name, 40) for name in names[:5])
    if not names:
        return ok("No file names a channel: the built-in one of the installation counts", value="built-in")
    own_mirror = bool(facts.default_channels) and not any(map(_of_anaconda, facts.default_channels))
    anaconda = [name for name in names if _of_anaconda(name) and not (name == "defaults" and own_mirror)]
    forge = any(_FORGE in name for name in names)
    details = tuple(clean(path, 120) for path in facts.settings)
    if anaconda and forge and facts.channel_priority != "strict":
        return hint(
            f"Anaconda's channel and conda-forge are mixed: {said}",
            f"{_STRICT}; or only one of them: {_ONLY}",
            value="mixed",
            details=details,
        )
    if anaconda:
        return hint(
            f"Packages come from Anaconda's channel: {said}",
            f"Larger companies may need a license for it; without it: {_ONLY}",
            value="defaults",
            details=details,
        )
    return ok(f"Packages come from {said}", value=said)


def _of_anaconda(channel: str) -> bool:
    return channel in _ANACONDA or _HOST in channel


CHECK = Check(
    id="envs.channels",
    title="conda takes packages from one channel",
    why="Packages of `defaults` and of conda-forge are built against different libraries. An environment "
    "that mixes them installs slowly, and may crash with missing symbols; `strict` priority takes each "
    "package from the first channel that has it. Anaconda's channel is free for individuals and small "
    "companies, and larger ones may need a license: read its terms. Environments that exist stay as they "
    "are.",
    command="conda config --show-sources",
    needs=(EnvsFacts,),
    judge=_judge,
    depends_on=("envs.conda",),
)
