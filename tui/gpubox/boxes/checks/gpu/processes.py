"""Whether processes hang in the kernel, above all in the driver."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok, warning
from gpubox.boxes.checks.gpu.facts import GpuFacts, StuckProcess
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    driver = [process for process in facts.stuck if _in_driver(process)]
    lines = tuple(_line(process) for process in facts.stuck[:10])
    if driver:
        return failed(
            f"{_words(driver)} in the driver",
            "Look at gpu.xids, then reboot: such a process cannot be ended, and its GPU stays busy",
            value=str(len(driver)),
            details=lines,
        )
    if facts.stuck:
        return warning(
            f"{_words(list(facts.stuck))} in the kernel, waiting for a disk or a network share",
            "Look at `ps -eo pid,stat,wchan:32,comm | grep ' D'` again in a minute: one that stays has a "
            "dead disk",
            value=str(len(facts.stuck)),
            details=lines,
        )
    return ok("No process hangs", value="0")


def _in_driver(process: StuckProcess) -> bool:
    return (
        process.gpu
        or process.name.startswith("nvidia")
        or process.place.startswith(("nv_", "os_", "uvm_", "rm_"))
    )


def _words(processes: list[StuckProcess]) -> str:
    first = f"{clean(processes[0].name, 20) or 'a process'} ({processes[0].pid})"
    if len(processes) == 1:
        return f"{first} hangs"
    return f"{first} and {len(processes) - 1} more hang"


def _line(process: StuckProcess) -> str:
    place = f" in {clean(process.place, 32)}" if process.place else ""
    return f"{process.pid} {clean(process.name, 20)} of {clean(process.user, 32)}{place}"


CHECK = Check(
    id="gpu.processes",
    title="No process hangs in the kernel",
    why="A process in the state D waits in the kernel and cannot be ended, not even by kill -9. For a "
    "moment that is normal. One that stays there with a GPU in its hands means that the GPU or its "
    "firmware does not answer; its memory on the card is lost until a reboot.",
    command="ps -eo pid,user,stat,wchan:32,comm | awk '$3 ~ /^D/'",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.bus",),
)
