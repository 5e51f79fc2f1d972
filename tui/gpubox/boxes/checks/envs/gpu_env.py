"""Whether an environment has a framework that was built for the GPUs."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, warning
from gpubox.boxes.checks.envs.builds import for_gpu, name, named, working
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.core.env import Env
from gpubox.core.sanitize import clean

_STEP = "Make one in the environments panel; for PyTorch: pip install torch, in an environment of its own"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(EnvsFacts)
    if not facts.driver:
        return not_here("The box has no driver for GPUs")
    found = [env for env in working(facts) if for_gpu(env)]
    lines = tuple(f"{name(env)}: {', '.join(map(named, for_gpu(env)))}{_sight(env)}" for env in found[:12])
    outside = [one.build for one in facts.outside if one.build.target in ("cuda", "rocm")]
    if not found and outside:
        return ok(f"Outside of environments: {named(outside[0])}", value=outside[0].framework)
    if not found:
        text = "No environment has a framework that was built for GPUs"
        return hint(f"{text}; {clean(facts.partial, 100)}" if facts.partial else text, _STEP, value="no")
    good = [env for env in found if not _fault(env)]
    if not good:
        return warning(f"{name(found[0])}: {_fault(found[0])}", _remedy(found[0]), value="no", details=lines)
    best = next((env for env in good if env.sight is not None and env.sight.sees), good[0])
    seen = best.sight is not None and best.sight.sees and best.sight.current
    text = f"{name(best)}: {named(for_gpu(best)[0])}{', and it sees the GPU' if seen else ''}"
    return ok(text, value="yes", details=lines if len(lines) > 1 else ())


def _fault(env: Env) -> str:
    """Return why an environment would not see the GPUs; empty when nothing is known against it."""
    if env.sight is not None and env.sight.current and env.sight.sees is False:
        return env.sight.answer
    builds = for_gpu(env)
    return clean(builds[0].missing, 120) if all(build.missing for build in builds) else ""


def _remedy(env: Env) -> str:
    return f"Install the framework again in {name(env)}, then press g on it in the environments panel"


def _sight(env: Env) -> str:
    if env.sight is None:
        return ""
    return f" ({env.sight.answer}{'' if env.sight.current else ', before it changed'})"


CHECK = Check(
    id="envs.gpu-env",
    title="An environment sees the GPU",
    why="A framework that was built for the CPU only, or that lacks its CUDA libraries, does not fail: it "
    "trains on the CPU, a hundred times slower. This looks at the files of each environment and runs none "
    "of them; the check of the environments panel starts the framework and asks it.",
    command="python -c 'import torch; print(torch.version.cuda, torch.cuda.is_available())'",
    needs=(EnvsFacts,),
    judge=_judge,
)
