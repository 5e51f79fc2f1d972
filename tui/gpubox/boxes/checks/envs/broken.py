"""Whether the environments can be used."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.envs.builds import SILENT, name
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.core.env import Env
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(EnvsFacts)
    broken = [env for env in facts.envs if env.broken and env.broken != SILENT]
    lines = tuple(f"{clean(env.prefix, 100)}: {clean(env.broken, 120)}" for env in broken[:12])
    if broken:
        step = "Make them again, or delete them in the environments panel"
        more = lines if len(lines) > 1 else ()
        return warning(_counted(broken), step, value=str(len(broken)), details=more)
    if facts.partial:
        return unknown(clean(facts.partial, 160))
    if not facts.envs:
        return not_here("The box has no environments")
    missing = [(env, build) for env in facts.envs for build in env.builds if build.missing]
    if missing:
        env, build = missing[0]
        text = f"{name(env)}: {clean(build.framework, 20)} was built for CUDA: {clean(build.missing, 100)}"
        return hint(
            text, f"In {name(env)}: pip install --force-reinstall {clean(build.framework, 20)}", value="0"
        )
    number = len(facts.envs)
    return ok("Its one environment can be used" if number == 1 else f"All {number} can be used", value="0")


def _counted(broken: list[Env]) -> str:
    if len(broken) == 1:
        return f"{name(broken[0])} cannot be used: {clean(broken[0].broken, 120)}"
    names = ", ".join(map(name, broken[:4]))
    return f"{len(broken)} environments cannot be used: {names}{' and more' if len(broken) > 4 else ''}"


CHECK = Check(
    id="envs.broken",
    title="The environments can be used",
    why="An environment breaks when the Python that it was made from is updated or deleted, when its "
    "folder is moved, or when an installation was cut off. Jobs that name it fail at once. It still takes "
    "its room on the disk.",
    command="conda env list; ls -l ENV/bin/python",
    needs=(EnvsFacts,),
    judge=_judge,
)
