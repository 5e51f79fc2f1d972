"""Whether the driver is new enough for the toolkits and for the environments' CUDA."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.cuda.facts import CudaFacts
from gpubox.boxes.checks.cuda.tables import Version, below_floor, below_pair, cuda_of, shown
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.boxes.checks.gpu.branches import BRANCHES, branch_of, numbers
from gpubox.boxes.checks.gpu.cards import driver_version, optional, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.sanitize import clean

_STEP = "Update the driver, or install what was built for an older CUDA"


def _judge(gathered: Gathered) -> Result:
    gpu, facts, envs = gathered.of(GpuFacts), gathered.of(CudaFacts), optional(gathered, EnvsFacts)
    version = driver_version(gpu)
    if gpu.platform == "tegra":
        return not_here("The driver comes with the system of this board")
    driver = numbers(version)
    if not driver:
        return unknown("The version of the driver is not known", "nvidia-smi")
    toolkits = {
        f"the toolkit in {clean(t.path, 60)}": cuda_of(t.version) for t in facts.toolkits if t.version
    }
    builds = {
        f"{clean(build.framework, 20)} in {clean(env.name, 40)}": cuda_of(build.cuda)
        for env in (envs.envs if envs else ())
        for build in env.builds
        if build.target == "cuda" and build.cuda
    }
    name = clean(version, 30)
    refused = {what: needed for what, cuda in builds.items() if (needed := below_floor(driver, cuda))}
    if refused:
        text = f"Driver {name} is too old for {_first(refused)}"
        details = tuple(f"{what} needs {shown(needed)}" for what, needed in refused.items())
        make = failed if len(refused) == len(builds) else warning
        return make(text, _STEP, value=name, details=details[:10])
    refused = {what: needed for what, cuda in toolkits.items() if (needed := below_floor(driver, cuda))}
    if refused:
        return warning(f"Driver {name} is too old for {_first(refused)}", _STEP, value=name)
    older = {w: needed for w, cuda in {**builds, **toolkits}.items() if (needed := below_pair(driver, cuda))}
    if older:
        return hint(
            f"Driver {name} is older than that of {_first(older)}: it works, except for code that is "
            "compiled when it starts",
            "If a program says that its PTX was compiled with an unsupported toolchain, update the driver",
            value=name,
            details=tuple(f"{what} came with {shown(needed)}" for what, needed in older.items())[:10],
        )
    branch = BRANCHES.get(branch_of(version) or 0)
    most = f", which runs CUDA up to {branch.cuda}" if branch and branch.cuda else ""
    return ok(f"Driver {name}{most}{_counted(len(builds), len(toolkits))}", value=name)


def _first(found: dict[str, Version]) -> str:
    """Return the first of what is found with the driver that it needs, and how many more there are."""
    what, needed = next(iter(found.items()))
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{what} ({shown(needed)}){more}"


def _counted(builds: int, toolkits: int) -> str:
    if not builds and not toolkits:
        return ""
    return f": enough for {plural(builds, 'build')} and {plural(toolkits, 'toolkit')}"


CHECK = Check(
    id="cuda.driver",
    title="The driver is new enough for what uses CUDA",
    why="Every version of CUDA needs a driver: 525 at least for CUDA 12, 580 for CUDA 13. A newer driver "
    "runs programs of all older CUDAs. With a driver that is too old, PyTorch says only that no GPU is "
    "available, and trains on the CPU. Between that floor and the driver that a toolkit came with nearly "
    "all works; code that ships as PTX, and is compiled when it starts, does not.",
    command="nvidia-smi | head -4; python -c 'import torch; print(torch.version.cuda)'",
    needs=(GpuFacts, CudaFacts, EnvsFacts),
    judge=_judge,
    depends_on=("gpu.driver",),
)
