"""Runs Slurm's commands on a box: found wherever they are, with a time limit, in one batch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from types import MappingProxyType

from gpubox.boxes.jobs.backends.slurm import gpus, parse
from gpubox.boxes.jobs.backends.slurm.parse import AccountedJob
from gpubox.boxes.jobs.queue_view import Partition, QueueRow
from gpubox.core.errors import RemoteError
from gpubox.core.sanitize import as_bytes, clean_bytes, last_line
from gpubox.core.shell import CommandResult, Shell

LIMIT = 10
"""Seconds for each of Slurm's commands: one whose controller is dead tries for minutes."""
WIDTH = 400
"""Width of a field of `-O`, which truncates what is longer."""
MOST = 4_000_000
"""Most bytes of the queue that are read."""

_PLACES = (
    "/usr/bin",
    "/usr/local/bin",
    "/opt/slurm/bin",
    "/usr/local/slurm/bin",
    "/opt/slurm/current/bin",
    "/opt/software/slurm/bin",
    "/cm/shared/apps/slurm/current/bin",
)
# Variables by which a user customizes the output.
_FORMS = " ".join(
    f"{command}_{name}"
    for command, names in (
        (
            "SQUEUE",
            "FORMAT FORMAT2 SORT STATES USERS PARTITION ACCOUNT NAMES ARRAY LICENSES QOS PRIORITY CLUSTERS",
        ),
        ("SINFO", "FORMAT SORT PARTITION"),
        ("SACCT", "FORMAT"),
    )
    for name in names.split()
)
_NONE: Mapping[str, str] = MappingProxyType({})
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_READ_ONLY = frozenset(("UID", "EUID", "PPID", "BASHOPTS", "BASH_VERSINFO", "SHELLOPTS"))
"""Read-only variables: assigning them ends bash."""
_OF_SLURM = re.compile("SLURM_[A-Z0-9_]+|LD_LIBRARY_PATH")
"""Variables of a login that Slurm's commands need to find their cluster, and their libraries."""
_BEGIN = f"""\
LC_ALL=C SLURM_TIME_FORMAT=%s; export LC_ALL SLURM_TIME_FORMAT
unset {_FORMS}
limited() {{ if command -v timeout >/dev/null 2>&1; then timeout "$limit" "$@"; else "$@"; fi; }}
"""
_FIND = f"""\
p=$(command -v sbatch 2>/dev/null)
for d in {" ".join(_PLACES)}; do [ -n "$p" ] || [ ! -x "$d/sbatch" ] || p=$d/sbatch; done
case $p in /*) case $(limited "${{p%/*}}/scontrol" ping 2>&1) in
*fatal*onfiguration* | *"cannot stat file"*) ;;
*) printf '%s\\n' "${{p%/*}}" ;;
esac ;; esac
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Slurm on a box."""

    folder: str
    """The folder of its commands."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables of a login for Slurm's commands, such as SLURM_CONF; one may be a secret, SLURM_JWT."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The result of one query."""

    now: float
    """The box's clock."""
    partitions: tuple[Partition, ...]
    rows: tuple[QueueRow, ...]
    """Jobs of all users, and ours that ended a moment ago."""


async def find(shell: Shell, login: Mapping[str, str] = _NONE) -> Place | None:
    """Find Slurm; None on a box without it. Raises Dropped and RemoteError.

    It is searched in the login environment, `login`, because modules may provide it. Installed programs
    without a configuration, for which `scontrol ping` fails, are no cluster. A cluster whose controller is
    down is one.
    """
    variables = {name: value for name, value in login.items() if _OF_SLURM.fullmatch(name)}
    path = f"PATH={shlex.quote(login['PATH'])}:$PATH; export PATH\n" if login.get("PATH") else ""
    result, out = await _run(shell, _FIND, before=path + exports(variables))
    folder = out.decode("utf-8", "surrogateescape").partition("\n")[0]
    return Place(folder, variables) if result.ok and folder.startswith("/") else None


def exports(variables: Mapping[str, str]) -> str:
    """Return commands of sh that set variables; functions of bash cannot be set so, and are left out."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n"
        for name, value in variables.items()
        if _VARIABLE.fullmatch(name) and name not in _READ_ONLY and "\0" not in value
    )


async def ask(shell: Shell, place: Place) -> Queue:
    """Return partitions and queue; raises RemoteError when Slurm does not answer, and Dropped."""
    row, cell = token_hex(8), token_hex(8)

    def form(fields: str) -> str:
        return shlex.quote(row + fields.replace(" ", cell))

    def long_form(fields: Sequence[str]) -> str:  # separators with random suffixes, which no name can contain
        ends = [f"|{cell}"] * (len(fields) - 1) + [f"|{row}"]
        return shlex.quote(",".join(f"{field}:{WIDTH}{end}" for field, end in zip(fields, ends, strict=True)))

    queue = form(parse.QUEUE)
    mine = f'limited squeue -h -a -t all -u "$(id -un)" -o {queue} || exit'
    others = f"limited squeue -h -a -o {queue} || exit"
    nodes = f"limited sinfo -h -a -o {form(parse.SINFO)} || exit"
    tres = f"limited squeue -h -a -O {long_form(gpus.TRES)} 2>/dev/null"
    used = f"limited sinfo -h -a -N -O {long_form(gpus.NODES)} 2>/dev/null"
    cut = token_hex(8)
    script = f"\necho {cut}; ".join(("date +%s", mine, others, nodes, tres, used))
    result, out = await run(shell, place, f"({script}) | head -c {MOST}; echo; echo {cut}")
    now, *parts = out.decode("utf-8", "replace").split(cut)
    if len(parts) < 6:
        raise _silent(result)
    width = len(parse.QUEUE.split())
    counted = gpus.job_gpus(gpus.cells(parts[3], f"|{row}", f"|{cell}", len(gpus.TRES)))
    found = {
        one.id: one
        for own, part in ((False, parts[1]), (True, parts[0]))
        for one in parse.queue(parse.table(part, row, cell, width), counted, own=own)
    }
    rows = tuple(found.values())
    groups = parse.table(parts[2], row, cell, len(parse.SINFO.split()), 64 * 1024)
    used = gpus.node_gpus(gpus.cells(parts[4], f"|{row}", f"|{cell}", len(gpus.NODES)))
    return Queue(parse.moment(now.strip()) or 0.0, parse.partitions(groups, rows, used), rows)


async def ends(shell: Shell, place: Place, numbers: Sequence[str]) -> dict[str, AccountedJob]:
    """Return what Slurm knows of jobs that left its queue; forgotten ones are missing."""
    cut = token_hex(8)
    fields = parse.ACCOUNT.replace(" ", ",")
    script = "; ".join(
        f"echo {cut}; limited scontrol -o show job {number} 2>/dev/null || "
        f"limited sacct -n -P -X -j {number} -o {fields} 2>/dev/null"
        for number in numbers
    )
    _, out = await run(shell, place, script, timeout=(2 * len(numbers) + 1) * LIMIT)
    parts = out.decode("utf-8", "replace").split(cut)[1:]
    found: dict[str, AccountedJob] = {}
    for number, part in zip(numbers, parts, strict=False):
        one = parse.ended(part) or parse.accounted(part, number)
        if one is not None:
            found[number] = one
    return found


async def run(
    shell: Shell, place: Place, script: str, *, timeout: float = 4.0 * LIMIT
) -> tuple[CommandResult, bytes]:
    """Run a script of ours where Slurm's commands are found; see _run."""
    path = f"PATH={shlex.quote(place.folder)}:$PATH; export PATH\n"
    return await _run(shell, script, timeout=timeout, before=path + exports(place.variables))


async def _run(
    shell: Shell, script: str, *, timeout: float = 4.0 * LIMIT, before: str = ""
) -> tuple[CommandResult, bytes]:
    """Run a script by sh, whatever the login shell is, and return its output without shell greetings.

    The script travels on stdin: a command line can be read by everybody on the box.
    """
    mark = f"gpubox-{token_hex(6)}"
    text = f"echo; echo {mark}\nlimit={LIMIT}\n{before}{_BEGIN}{script}\n"
    result = await shell.run("exec sh", stdin=as_bytes(text), timeout=timeout)
    _, found, out = result.stdout.partition(f"\n{mark}\n".encode())
    if not found:
        raise RemoteError("No answer from the box", "It did not run a script of ours", status=result.status)
    return result, out


def _silent(result: CommandResult) -> RemoteError:
    said = last_line(result.stderr)
    return RemoteError(
        "Slurm does not answer",
        re.sub(r"^(squeue|sinfo|sbatch|scancel): (error: )?", "", said) or f"It said nothing for {LIMIT} s",
        "Its controller may be down: try `sinfo` there",
        status=result.status,
    )


def refused(result: CommandResult, title: str) -> RemoteError:
    """Return the error of one of Slurm's commands, in its own last words."""
    lines = [clean_bytes(line, 200) for line in result.stderr.splitlines() if line.strip()]
    said = [re.sub(r"^(sbatch|scancel): (error: )?", "", line) for line in lines if "error" in line.lower()]
    words = (said or lines or ["It said nothing"])[-1]
    if re.search("fetch config|configuration source", words):  # Slurm's programs alone, without a cluster
        words = "The box has Slurm's programs, and they find no cluster: no slurm.conf is there"
        return RemoteError(title, words, "Let the box itself run the job, or ask who runs it for SLURM_CONF")
    return RemoteError(title, words, status=result.status)
