"""GPUs as Slurm counts them: GRES of nodes, and TRES of jobs in every form of request."""

from __future__ import annotations

import re

from gpubox.core.sanitize import clean

TRES = (
    "JobArrayID",
    "NumNodes",
    "NumTasks",
    "tres-alloc",
    "tres-per-job",
    "tres-per-node",
    "tres-per-task",
    "tres-per-socket",
)
"""Fields of `squeue -O`: GPUs may be requested per job, node, task or socket, and only sites that account for
them print them in tres-alloc."""
NODES = ("NodeHost", "GresUsed")
"""Fields of `sinfo -N -O`: what is in use on each node, by jobs that one may not see too."""
NEVER = ("", "N/A", "Unknown", "None", "NONE", "(null)", "n/a", "UNLIMITED", "INVALID", "NOT_SET")
"""What Slurm's commands print for no value."""

_GPUS = re.compile(
    r"gpu(?::(?P<kind>(?!no_consume|\d+[KM]?$)[^:,(]+))?(?::no_consume)?(?::(?P<count>\d{1,9}[KM]?))?"
)


def cells(text: str, row: str, cell: str, width: int) -> list[list[str]]:
    """Return the cells of each row that `-O` printed: `cell` stands behind all but the last, `row` there."""
    rows = (chunk.split(cell) for chunk in text.split(row)[:-1])
    return [[clean(word.strip(), 400) for word in words] for words in rows if len(words) == width]


def job_gpus(rows: list[list[str]]) -> dict[str, int]:
    """Return the GPUs of each job on all of its nodes, from the cells of TRES."""
    return {number: _of_job(whole(nodes), whole(tasks), *tres) for number, nodes, tasks, *tres in rows}


def _of_job(nodes: int, tasks: int, whole_job: str, job: str, node: str, task: str, socket: str) -> int:
    nodes, tasks = max(1, nodes), max(1, tasks)
    return max(
        gpus(whole_job)[0],
        gpus(job)[0],
        gpus(node)[0] * nodes,
        gpus(task)[0] * tasks,
        gpus(socket)[0] * nodes,  # at least: nobody says how many sockets it has
    )


def node_gpus(rows: list[list[str]]) -> dict[str, int]:
    """Return the GPUs in use on each node from the cells of NODES."""
    return {node: gpus(used)[0] for node, used in rows if node}


def gpus(text: str) -> tuple[int, tuple[str, ...]]:
    """Parse the number of GPUs in a list of resources, and their models.

    It is GRES, such as `gpu:a100:4(S:0-1),craynetwork:1`, or TRES, such as `cpu=8,gres/gpu=4`. TRES may name
    the total and the models it is made of, `gres/gpu=4,gres/gpu:a100=4`: these are the same GPUs.
    """
    total, typed, kinds = 0, 0, list[str]()
    for part in re.sub(r":?\([^)]*\)", "", text).split(","):
        tres = "=" in part
        found = _GPUS.fullmatch(re.sub(r"^(gres[:/])+", "", part.strip()).replace("=", ":"))
        if found is None:
            continue
        count = whole(found["count"]) if found["count"] else 1
        if found["kind"]:
            typed += count
            kinds += [found["kind"]]
        elif tres:
            total = max(total, count)
        else:
            typed += count
    return max(total, typed), tuple(dict.fromkeys(kinds))


def whole(text: str) -> int:
    """Parse a count such as 12 or 1.5K; 0 for anything else."""
    found = re.match(r"(\d{1,12})(?:\.(\d))?([KM]?)", text)
    if found is None:
        return 0
    factor = {"": 1, "K": 1000, "M": 1_000_000}[found[3]]
    return int(float(f"{found[1]}.{found[2] or 0}") * factor)
