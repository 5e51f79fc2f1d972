"""Parses the output of Slurm's commands; separators are random, because names are arbitrary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gpubox.boxes.jobs.backends.slurm.gpus import NEVER, gpus, whole
from gpubox.boxes.jobs.queue_view import Partition, QueueRow
from gpubox.core.sanitize import clean

QUEUE = "%i %T %P %u %k %r %M %l %D %C %b %N %S %V %j"
"""Fields of squeue; the name comes last."""
SINFO = "%P %a %l %D %T %C %G %N %E"
"""Fields of sinfo: a row for each state and reason of a partition's nodes."""
ACCOUNT = "JobIDRaw State ExitCode End Start NodeList"
"""Fields of sacct."""

_MOST_HOSTS = 10_000
_NO_REASON = ("", "none", "(null)", "n/a")


@dataclass(frozen=True, slots=True)
class AccountedJob:
    """What Slurm knows of an ended job."""

    state: str
    """Without what follows it: CANCELLED of `CANCELLED by 1000`."""
    by: str = ""
    """Numeric id of the user who canceled it, where known."""
    code: int = 0
    signal: int = 0
    ended: float | None = None
    started: float | None = None
    where: str = ""
    reason: str = ""


def table(text: str, row: str, cell: str, width: int, longest: int = 200) -> list[list[str]]:
    """Return the cells of all rows that have exactly `width` of them; both separators are unguessable."""
    rows = (chunk.rstrip("\n").split(cell) for chunk in text.split(row)[1:])
    return [[clean(word.strip(), longest) for word in words] for words in rows if len(words) == width]


def queue(
    rows: list[list[str]], counted: Mapping[str, int] | None = None, *, own: bool = False
) -> tuple[QueueRow, ...]:
    """Return the rows of squeue; `counted` has the GPUs of jobs by their ids, as `job_gpus` reads them.

    Without, only those are known that were asked for by --gres, a number for each node.
    """
    found: list[QueueRow] = []
    for cells in rows:
        (number, state, partition, user, comment, reason, ran, limit) = cells[:8]
        (nodes, cpus, gres, where, start, submitted, name) = cells[8:]
        found.append(
            QueueRow(
                id=number,
                state=state,
                partition=partition,
                user=user,
                name=name,
                job=comment.removeprefix("gpubox:") if comment.startswith("gpubox:") else "",
                reason="" if reason in NEVER else reason,
                ran=seconds(ran),
                limit=seconds(limit),
                nodes=whole(nodes),
                cpus=whole(cpus),
                gpus=(counted or {}).get(number, gpus(gres)[0] * max(1, whole(nodes))),
                where="" if where in NEVER else where,
                start=moment(start),
                submitted=moment(submitted),
                own=own,
            )
        )
    return tuple(found)


def partitions(
    rows: list[list[str]], jobs: tuple[QueueRow, ...], used: Mapping[str, int] | None = None
) -> tuple[Partition, ...]:
    """Return the partitions of sinfo; `used` has the GPUs in use by node, as `node_gpus` reads them.

    Without, that is taken from the queue. Partitions share nodes: what a job of another partition has on a
    node of this one is in use here too.
    """
    found: dict[str, Partition] = {}
    places: dict[str, set[str]] = {}
    for cells in rows:
        places.setdefault(cells[0].rstrip("*"), set()).update(hosts(cells[7]))
    running = [(row, hosts(row.where)) for row in jobs if row.state == "RUNNING" and row.gpus]
    for name, up, limit, nodes, state, cpus, gres, names, reason in rows:
        own = name.rstrip("*")
        old = found.get(own, Partition(own))
        count, busy, total = whole(nodes), *_cpus(cpus)
        here, kinds = gpus(gres)
        low = state.lower()
        found[own] = Partition(
            own,
            default=name.endswith("*"),
            up=up == "up",
            limit=seconds(limit),
            nodes=old.nodes + count,
            idle=old.idle + (count if low.startswith("idle") else 0),
            down=old.down + (count if re.match("down|drain|fail|unknown|power|maint", low) else 0),
            cpus=old.cpus + total,
            cpus_used=old.cpus_used + busy,
            gpus=old.gpus + count * here,
            gpus_used=sum(used.get(node, 0) for node in places[own])
            if used
            else sum(
                row.gpus * len(there & places[own]) // len(there) if there else row.gpus
                for row, there in running
                if there or row.partition == own
            ),
            kinds=tuple(dict.fromkeys((*old.kinds, *kinds))),
            reasons=old.reasons
            if reason.lower() in _NO_REASON
            else (*old.reasons, f"{clean(names, 40)} {state.rstrip('*~#!%$@^-')}: {reason}"),
        )
    return tuple(found.values())


def hosts(text: str) -> set[str]:
    """Return the nodes of a list as Slurm writes it: `gpu[01-03,7],login`; at most 10,000."""
    found: set[str] = set()
    for word in re.findall(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)?", text):
        head, bracket, rest = word.partition("[")
        numbers, _, tail = rest.partition("]")
        for part in numbers.split(",") if bracket else [""]:
            first, dash, last = part.partition("-")
            if dash and first.isdecimal() and last.isdecimal():
                steps = range(int(first), min(int(last), int(first) + _MOST_HOSTS) + 1)
                found.update(f"{head}{step:0{len(first)}}{tail}" for step in steps)
            else:
                found.add(head + part + tail)
            if len(found) > _MOST_HOSTS:
                return found
    return found


def ended(text: str) -> AccountedJob | None:
    """Return the state of a job from a line of `scontrol -o show job`; None when it tells of none.

    Names of our jobs have no `=` in them, so that nothing in the line can pass for a field.
    """
    fields: dict[str, str] = {}
    for name, value in re.findall(r"(?:^|\s)([A-Za-z]+)=(\S*)", text):
        fields.setdefault(name, value)
    if "JobState" not in fields:
        return None
    code, signal = _exit(fields.get("ExitCode", ""))
    return AccountedJob(
        state=clean(fields["JobState"], 40),
        code=code,
        signal=signal,
        ended=moment(fields.get("EndTime", "")),
        started=moment(fields.get("StartTime", "")) if fields.get("RunTime") != "00:00:00" else None,
        where="" if fields.get("NodeList", "") in NEVER else clean(fields["NodeList"], 80),
        reason="" if fields.get("Reason", "") in NEVER else clean(fields["Reason"], 80),
    )


def accounted(text: str, number: str) -> AccountedJob | None:
    """Parse the ending of a job from sacct's lines, with `|` between cells; None when it is unknown."""
    for line in text.splitlines():
        cells = line.strip().split("|")
        if len(cells) != len(ACCOUNT.split()) or cells[0] != number:
            continue
        state, _, by = cells[1].partition(" by ")
        code, signal = _exit(cells[2])
        where = "" if cells[5] in (*NEVER, "None assigned") else clean(cells[5], 80)
        return AccountedJob(
            state=clean(state.strip(), 40),
            by=clean(by, 40),
            code=code,
            signal=signal,
            ended=moment(cells[3]),
            # One that was canceled while it waited may have a start, the moment of its end.
            started=moment(cells[4]) if where else None,
            where=where,
        )
    return None


def seconds(text: str) -> float | None:
    """Return a duration such as 1-02:03:04, 03:04 or 5; None for one without end, or unknown."""
    days, dash, rest = text.strip().rpartition("-")
    parts = rest.split(":")
    numbers = [_digits(part) for part in parts]
    if dash:  # days-hours[:minutes[:seconds]]
        numbers = [*numbers, 0, 0][:3]
    total, more = 0, _digits(days) if dash else 0
    for number in numbers:
        if number is None or more is None:
            return None
        total = total * 60 + number
    return float(total + 86400 * (more or 0))


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def moment(text: str) -> float | None:
    """Return seconds since the epoch as SLURM_TIME_FORMAT=%s gives them, or None."""
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def _cpus(text: str) -> tuple[int, int]:
    parts = text.split("/")
    return (whole(parts[0]), whole(parts[3])) if len(parts) == 4 else (0, 0)


def _exit(text: str) -> tuple[int, int]:
    code, _, signal = text.partition(":")
    return whole(code), whole(signal)
