"""Whether programs can still get memory."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, ok, unknown, warning
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.common.rules.rule import DEFAULTS
from gpubox.common.units import size


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if not facts.memory or facts.available is None:
        return unknown("The kernel does not say how much memory there is", "free -h")
    used = 100 * (1 - facts.available / facts.memory)
    text = f"{size(facts.available)} of {size(facts.memory)} of memory can still be used"
    if used >= DEFAULTS.host_memory[1]:
        return warning(text, "ps aux --sort=-rss | head: end what is not needed", value=size(facts.memory))
    return ok(text, value=size(facts.memory))


CHECK = Check(
    id="system.memory",
    title="Memory is free",
    why="When memory runs out, the kernel ends the largest program, which is the training. Data loaders "
    "take memory for each worker, and a model is read into memory before it goes to the GPU. As a rule of "
    "thumb a box has more memory than its GPUs together.",
    command="free -h",
    needs=(SystemFacts,),
    judge=_judge,
)
