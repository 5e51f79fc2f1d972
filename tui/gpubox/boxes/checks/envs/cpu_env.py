"""Whether there is an environment for the CPU beside the one for the GPU."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.envs.builds import for_gpu, name, named, only_cpu, working
from gpubox.boxes.checks.envs.facts import EnvsFacts


def _judge(gathered: Gathered) -> Result:
    envs = working(gathered.of(EnvsFacts))
    gpu = [env for env in envs if for_gpu(env)]
    if not gpu:
        return not_here("There is no environment for the GPU to compare with")
    frameworks = {build.framework for env in gpu for build in for_gpu(env)}
    cpu = [env for env in envs if only_cpu(env)]
    same = [env for env in cpu if frameworks & {build.framework for build in env.builds}]
    if same:
        return ok(f"{name(same[0])}: {named(same[0].builds[0])}", value="yes")
    return hint(
        "No environment has the same framework for the CPU",
        "Only if you compare the two: install the framework's build for the CPU in a new environment; "
        "its installation page names the command",
        value="no",
    )


CHECK = Check(
    id="envs.cpu-env",
    title="An environment for the CPU is beside it",
    why="The same training on the CPU shows what the GPU gains, and whether a wrong result comes from the "
    "GPU. An environment of its own is not the only way: `CUDA_VISIBLE_DEVICES= python train.py` hides "
    "the GPUs from a build for CUDA. Builds for the CPU are small, under 1 GB, and start faster.",
    command="CUDA_VISIBLE_DEVICES= python train.py",
    needs=(EnvsFacts,),
    judge=_judge,
    depends_on=("envs.gpu-env",),
)
