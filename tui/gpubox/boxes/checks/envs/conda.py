"""Whether there is a tool that makes environments."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.core.sanitize import clean

_FORGE = (
    "Miniforge needs no root: run its installer from https://conda-forge.org/download on the box; or uv: "
    "https://docs.astral.sh/uv"
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(EnvsFacts)
    flavors = list(dict.fromkeys(root.flavor for root in facts.roots))
    lines = tuple(f"{clean(root.flavor, 20)}: {clean(root.path, 100)}" for root in facts.roots[:10])
    if flavors:
        names = ", ".join(clean(flavor, 20) for flavor in flavors[:4])
        number = len(facts.envs)
        noun = "environment" if number == 1 else "environments"
        return ok(f"{names}, {number or 'no'} {noun}", value=names, details=lines if len(lines) > 1 else ())
    if facts.modules:
        return ok(f"No conda and no uv; {clean(facts.modules, 40)} offers software", value="modules")
    if facts.has_venv:
        return hint("Neither conda nor uv, only Python's own venv", _FORGE, value="venv")
    return hint(
        "Neither conda nor uv, and Python here makes no virtual environments",
        f"{_FORGE}; or on Debian and Ubuntu: sudo apt install python3-venv",
        value="none",
    )


CHECK = Check(
    id="envs.conda",
    title="A tool for environments is installed",
    why="An environment holds one version of Python, of a framework and of its CUDA libraries, and an "
    "update of one project cannot break another one. conda and mamba bring CUDA libraries and Python "
    "themselves; uv and venv take them from wheels. None of them needs root, and each takes 5 to 10 GB "
    "for an environment with CUDA.",
    command="ls -d ~/miniforge3 ~/miniconda3 ~/anaconda3 /opt/conda; command -v uv micromamba",
    needs=(EnvsFacts,),
    judge=_judge,
)
