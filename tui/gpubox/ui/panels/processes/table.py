"""Processes as rows, single or in totals by user, and as a window of details."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gpubox.common import units
from gpubox.core.sample import Process, Sample
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, wrapped
from gpubox.ui.draw.table import Column
from gpubox.ui.panels.gpus.gpu_status import short_name

KINDS = {"C": "compute", "G": "graphics", "C+G": "compute and graphics", "M": "compute through MPS"}
"""Meanings of the letters in the TYPE column."""
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a disk or the driver, cannot be interrupted",
    "Z": "ended, its parent has not noticed yet",
    "T": "stopped",
    "t": "stopped by a debugger",
    "I": "idle",
}
"""The kernel's state letters in words."""
_LABEL = 12


def program(process: Process) -> str:
    """Return a process's program without its folder, safe to draw."""
    return clean(process.name, 64) or clean(process.command, 64).split(" ", 1)[0].rsplit("/", 1)[-1]


def key(process: Process) -> tuple[int, int | None, int | None]:
    """Return the unique key of a row; a process on two GPUs has two rows."""
    return process.pid, process.gpu, process.gpu_instance


def matches(process: Process, words: Sequence[str]) -> bool:
    """Return whether a row contains every word; words are in lower case."""
    text = " ".join(
        (
            str(process.pid),
            process.user,
            process.name,
            process.command,
            process.env or "",
            process.container or "",
        )
    ).lower()
    return all(word in text for word in words)


def _command(process: Process) -> Line:
    text = clean(process.command) or clean(process.name)
    first, _, rest = text.partition(" ")
    name = first.rsplit("/", 1)[-1] or first
    mark: Line = (Span("defunct ", "warn"),) if process.state == "Z" else ()
    mark = (Span("stopped ", "warn"),) if process.state == "T" else mark
    if not text:
        return (Span(units.DASH, "faint"),)
    return (*mark, Span(name, "title" if process.gpu is not None else "text"), Span(f" {rest}", "muted"))


def place(process: Process) -> str:
    """Return the container of a process, else its environment."""
    if process.container:
        return f"□ {clean(process.container, 60)}"
    return clean(process.env or "", 60).rstrip("/").rsplit("/", 1)[-1]


def _gpu(process: Process) -> str:
    return str(process.gpu) if process.gpu_instance is None else f"{process.gpu}:{process.gpu_instance}"


def _gpu_cell(text: Callable[[Process], str], tone: Tone = "text") -> Callable[[Process], str | Line]:
    """Leave the cell blank for a process that uses no GPU: nothing is unknown there."""
    return lambda process: (Span(""),) if process.gpu is None else (Span(text(process) or units.DASH, tone),)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _user(process: Process) -> str:
    return clean(process.user, 32)


def _cpu(process: Process) -> str:
    return _number(process.cpu)


def _memory(process: Process) -> str:
    return units.size(process.memory)


def columns(now: Callable[[], float]) -> Sequence[Column[Process]]:
    """Return the columns of the list; `now` returns the box's time."""

    def running(process: Process) -> str:
        return "" if process.started is None else units.duration(now() - process.started)

    def begun(process: Process) -> float | None:
        return None if process.started is None else -process.started

    gpu_memory = _gpu_cell(lambda process: units.size(process.gpu_memory))
    sm = _gpu_cell(lambda process: _number(process.sm))
    kind = _gpu_cell(lambda process: clean(process.kind, 4))

    def where(process: Process) -> Line:
        return (Span(place(process), "muted"),)

    def command(process: Process) -> str:
        return clean(process.command or process.name)

    return (
        Column("pid", 7, lambda process: str(process.pid), lambda process: process.pid, tone="muted"),
        Column("user", 8, _user, lambda process: process.user, left=True, need=3),
        Column("gpu", 4, _gpu_cell(_gpu, "accent"), lambda process: process.gpu),
        Column("type", 4, kind, lambda process: process.kind or None, need=9),
        Column("gpu-mem", 8, gpu_memory, lambda process: process.gpu_memory, falling=True),
        Column("sm", 4, sm, lambda process: process.sm, title="SM%", falling=True, need=4),
        Column("cpu", 5, _cpu, lambda process: process.cpu, title="CPU%", falling=True, need=2),
        Column("memory", 6, _memory, lambda process: process.memory, title="MEM", falling=True, need=5),
        Column("time", 8, running, begun, falling=True, tone="muted", need=7),
        Column("env", 13, where, lambda process: place(process) or None, "ENV/CONTAINER", left=True, need=6),
        Column("command", 16, _command, command, left=True, grows=True),
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of one user's processes."""

    user: str
    processes: int
    gpus: tuple[int, ...]
    gpu_memory: float
    sm: float | None
    cpu: float
    memory: float


def totals(processes: Iterable[Process]) -> list[Totals]:
    """Return the totals of each user; CPU and memory of a process on two GPUs count once."""
    by_user: dict[str, list[Process]] = {}
    for process in processes:
        by_user.setdefault(clean(process.user, 32) or units.DASH, []).append(process)
    return [_total(user, rows) for user, rows in by_user.items()]


def _total(user: str, rows: Sequence[Process]) -> Totals:
    single = {process.pid: process for process in rows}.values()
    loads = [process.sm for process in rows if process.sm is not None]
    return Totals(
        user=user,
        processes=len(single),
        gpus=tuple(sorted({process.gpu for process in rows if process.gpu is not None})),
        gpu_memory=sum(process.gpu_memory or 0 for process in rows),
        sm=sum(loads) if loads else None,
        cpu=sum(process.cpu or 0.0 for process in single),
        memory=sum(process.memory or 0 for process in single),
    )


TOTAL_COLUMNS: Sequence[Column[Totals]] = (
    Column("user", 12, lambda one: one.user, lambda one: one.user, left=True, tone="title"),
    Column("processes", 9, lambda one: str(one.processes), lambda one: one.processes, falling=True),
    Column("gpu-mem", 8, lambda one: units.size(one.gpu_memory), lambda one: one.gpu_memory, falling=True),
    Column("sm", 5, lambda one: _number(one.sm), lambda one: one.sm, title="SM%", falling=True, need=1),
    Column("cpu", 6, lambda one: _number(one.cpu), lambda one: one.cpu, title="CPU%", falling=True, need=2),
    Column(
        "memory", 7, lambda one: units.size(one.memory), lambda one: one.memory, "MEM", falling=True, need=3
    ),
    Column(
        "gpus",
        8,
        lambda one: ", ".join(map(str, one.gpus)),
        lambda one: float(len(one.gpus)),
        "ON GPU",
        left=True,
        tone="accent",
        falling=True,
        grows=True,
    ),
)
"""The columns of the list by user."""


def draw_details(sample: Sample | None, chosen: Process, width: int, _height: int) -> list[Line]:
    """Return everything known about a process, from the newest sample while it still runs."""
    now = next((one for one in sample.processes if key(one) == key(chosen)), None) if sample else None
    process = now or chosen
    out: list[Line] = []
    if now is None:
        out += [
            (Span("It has ended, or is no longer among those listed; this is what was last seen.", "warn"),)
        ]
    gpu = next((one for one in sample.gpus if one.index == process.gpu), None) if sample else None
    on = units.DASH if process.gpu is None else f"{_gpu(process)}  {short_name(gpu) if gpu else ''}"
    began = units.DASH
    if process.started is not None and sample is not None:
        began = f"{units.clock_time(process.started)}, {units.duration(sample.time - process.started)} ago"
    kind = KINDS.get(process.kind, clean(process.kind, 8))
    shares = f"{units.percent(process.cpu)} of one core"
    for label, value in (
        ("PID", str(process.pid)),
        ("User", clean(process.user, 64)),
        ("State", STATES.get(process.state, clean(process.state, 8))),
        ("Started", began),
        ("GPU", on),
        ("Type", kind),
        ("GPU memory", units.size(process.gpu_memory)),
        ("SM", units.percent(process.sm)),
        ("CPU", units.DASH if process.cpu is None else shares),
        ("Memory", units.size(process.memory)),
        ("Container", clean(process.container or "", 256)),
        ("Environment", clean(process.env or "", 256)),
    ):
        tone: Tone = "text" if value and value != units.DASH else "faint"
        out.append((Span(f"{label:<{_LABEL}}", "muted"), Span(value or units.DASH, tone)))
    return [*out, EMPTY, (Span("Command", "accent"),), *_whole(clean(process.command or process.name), width)]


def _whole(text: str, width: int) -> list[Line]:
    """Return a whole command line, broken even where it has no blanks."""
    lines: list[Line] = []
    for line in wrapped(text, 10_000, most=1):
        words = line[0].text
        while words:
            head = words[:width]
            at = head.rfind(" ") if len(words) > width else -1
            head = head[: at + 1] if at > width // 2 else head
            lines.append((Span(head.rstrip()),))
            words = words[len(head) :]
    return lines
