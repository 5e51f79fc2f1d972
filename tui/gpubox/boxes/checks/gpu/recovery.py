"""What the driver itself asks for to make a GPU work again."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok
from gpubox.boxes.checks.gpu.cards import cards_of, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.boxes.checks.gpu.steps import ACTIONS, action_step, asks_for
from gpubox.common.xid import GRAVE
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    known = [gpu for gpu in facts.smi.gpus if gpu.recovery]
    if not known:
        return not_here("The driver does not say it for these cards; old ones say it for none")
    asked = sorted(
        (gpu for gpu in known if ACTIONS.get(gpu.recovery.lower()) != "none"),
        key=lambda gpu: _urgency(gpu.recovery),
    )
    if not asked:
        return ok(f"The driver asks for nothing on {plural(len(known), 'GPU')}", value="none")
    names = {card.address[-10:]: card.name for card in cards_of(facts)}
    lines = tuple(
        f"On {names.get(gpu.address[-10:], 'a GPU')} {clean(gpu.address, 20)} {asks_for(gpu.recovery)}"
        for gpu in asked[:12]
    )
    return failed(
        lines[0],
        action_step(asked[0].recovery),
        value=clean(asked[0].recovery, 20),
        details=lines[1:],
    )


def _urgency(words: str) -> int:
    """Return the place of an action among all: a reboot before a reset, and this before one that can wait."""
    step = ACTIONS.get(words.lower(), "support")
    return (*reversed(GRAVE), step).index(step)


CHECK = Check(
    id="gpu.recovery",
    title="The driver asks for no reset or reboot",
    why="From driver 570 on, nvidia-smi shows as GPU Recovery Action what the driver needs after an error: "
    "None, Reset, Reboot, Drain P2P, or Drain and Reset. Until that is done, programs fail on the card with "
    "`CUDA-capable device(s) is/are busy or unavailable`, although nvidia-smi lists it as idle. Unlike the "
    "kernel log it needs no root, and it says what is so now.",
    command="nvidia-smi --query-gpu=index,name,gpu_recovery_action --format=csv",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.smi",),
)
