"""`python -m tests.bench`: measure, print the table, write build/bench.json."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.bench import desktop, jobs, logs, measures, monitor, programs, tunnels
from tests.bench.machine import Machine, machine
from tests.bench.programs import ON_THE_BOX, OVER_SSH, Ground, Program
from tests.bench.proxy import Network, network
from tests.bench.table import Row, lines, save
from tests.fake_nvml.build import build

T = TypeVar("T")
RESULT = programs.ROOT / "build" / "bench.json"


@dataclass
class Bench:
    """A run: the box, how thorough to be, and the rows so far."""

    machine: Machine
    folder: Path
    python: Mapping[str, str]
    runs: int
    seconds: float
    rows: list[Row]

    @asynccontextmanager
    async def ground(
        self, *, round_trip: float = 0.0, boxes: int = 1
    ) -> AsyncGenerator[tuple[Ground, Network]]:
        """A fresh laptop before a fresh network."""
        async with network(self.machine.port, round_trip=round_trip) as way:
            home = Path(tempfile.mkdtemp(dir=self.folder, prefix="laptop"))
            ground = Ground(self.machine, way.port, home, boxes, self.python)
            programs.settle(ground)
            yield ground, way

    def there(self, among: tuple[Program, ...]) -> list[Program]:
        """The programs that are installed, ours first."""
        return [each for each in among if not each.package or each.package in self.python]

    def add(self, row: Row) -> None:
        """Keep a row and tell of it."""
        self.rows.append(row)
        print(
            f"  {row.what}: {row.value} {row.unit} {row.verdict} {row.against}", file=sys.stderr, flush=True
        )

    async def take(self, rows: Awaitable[Iterable[Row]]) -> None:
        """Keep the rows of a module of its own."""
        for row in await rows:
            self.add(row)


async def starting(bench: Bench) -> None:
    """Start to first paint and to first data, near and far."""
    for milliseconds, target in ((0, 0.6), (40, 1.2)):
        paint: dict[str, float | None] = {}
        data: dict[str, float | None] = {}
        for program in bench.there(OVER_SSH):
            async with bench.ground(round_trip=milliseconds / 1000) as (ground, _):
                begun = await tried(measures.beginning(program, ground, bench.runs))
                paint[program.name], data[program.name] = begun or (None, None)
        if not milliseconds:
            bench.add(_row("start to first paint", "s", 0.4, paint))
            bench.add(_ratio("start to first paint, to nvidb", 0.6, paint, "nvidb"))
        why = "Textual is painted before asyncssh is imported, and both take the one interpreter lock"
        what = f"start to first data, RTT {milliseconds} ms"
        bench.add(_row(what, "s", target, data, why=why))
        bench.add(_ratio(f"{what}, to the best competitor", 0.8, data, *(each.name for each in OVER_SSH[1:])))


async def tried(work: Coroutine[object, object, T]) -> T | None:
    """Return what a measurement found, or None where the program never got there."""
    try:
        return await work
    except AssertionError as error:
        print(error, file=sys.stderr)
        return None


def _row(
    what: str,
    unit: str,
    target: float | None,
    values: dict[str, float | None],
    note: str = "",
    why: str = "",
) -> Row:
    """Tell ours, the first, from the others."""
    (_, own), *others = values.items()
    return Row(what, unit, own, target, dict(others), note, why)


def _ratio(what: str, target: float, values: dict[str, float | None], *peers: str) -> Row:
    """Tell ours, the first, as a multiple of the best of some competitors."""
    own = next(iter(values.values()))
    best = min((value for name in peers if (value := values.get(name))), default=None)
    why = "ours imports Textual and asyncssh, each of which takes as long as a competitor's whole start"
    return Row(what, "times", own / best if own and best else None, target, why=why)


async def settled(bench: Bench) -> None:
    """Wire, processor and memory while a program runs."""
    found: dict[str, measures.Steady] = {}
    for program in bench.there(OVER_SSH):
        async with bench.ground() as (ground, way):
            if seen := await tried(measures.steady(program, ground, way, bench.seconds)):
                found[program.name] = seen
    sent = "of it 0.6 are samples; the rest are looks for desktops and services every ten seconds"
    drawn = "two fifths are painting, a quarter is drawing the panels' lines, the rest looks and the link"
    held = (
        "imports take 60: asyncssh and what it needs 16, Textual 11; 21 of all are pages of shared libraries"
    )
    columns: tuple[tuple[str, str, float, Callable[[measures.Steady], float], str], ...] = (
        ("wire, both ways, one box at 1 Hz", "kB/s", 1.0, lambda seen: (seen.down + seen.up) / 1000, sent),
        ("processor of the box", "s/min", 0.6, lambda seen: seen.box, ""),
        ("processor of the laptop", "% of a core", 3.0, lambda seen: seen.laptop, drawn),
        ("memory of the laptop", "MiB", 80.0, lambda seen: seen.memory, held),
    )
    for what, unit, target, value, why in columns:
        bench.add(_row(what, unit, target, {name: value(seen) for name, seen in found.items()}, why=why))


async def here(bench: Bench) -> None:
    """The panel of the machine it runs on, beside the classics."""
    found: dict[str, measures.Steady] = {}
    start: dict[str, float | None] = {}
    for program in bench.there(ON_THE_BOX):
        async with bench.ground() as (ground, way):
            begun = await tried(measures.beginning(program, ground, bench.runs))
            start[program.name] = begun[1] if begun else None
            if seen := await tried(measures.steady(program, ground, way, bench.seconds)):
                found[program.name] = seen
    bench.add(_row("on the box itself: start to first data", "s", None, start))
    cpu: dict[str, float | None] = {name: seen.laptop for name, seen in found.items()}
    memory: dict[str, float | None] = {name: seen.memory for name, seen in found.items()}
    bench.add(_row("on the box itself: processor", "% of a core", None, cpu, "ours: panel and probe"))
    bench.add(_row("on the box itself: memory", "MiB", None, memory, "ours: panel and probe"))


async def pressing(bench: Bench) -> None:
    """Key to paint under load."""
    async with bench.ground() as (ground, _):
        letters, helps = await measures.keys(ground, 40 * bench.runs)
    targets = (("a letter of a filter", letters, 0.99, 50.0), ("the help", helps, 0.5, 80.0))
    for what, took, judged, target in targets:
        for share in (0.5, 0.99):
            value = 1000 * took[min(len(took) - 1, int(share * len(took)))]
            title = f"key to paint at 2 Hz, {what}, p{100 * share:.0f} of {len(took)}"
            why = (
                "the longest stretch of work, a paint of all panels, takes 10 ms; more is waiting for a core"
            )
            bench.add(Row(title, "ms", value, target if share == judged else None, why=why))


async def pouring(bench: Bench) -> None:
    """Key to paint while a log pours in, and what endless logs take."""
    async with bench.ground() as (ground, _):
        for row in await logs.measure(ground, 40 * bench.runs):
            bench.add(row)


async def losing(bench: Bench) -> None:
    """The link is lost, the network comes back: when is there data again? Each is waited for 60 s."""
    for what, silent, outage in (
        ("link cut at once", False, 0.05),
        ("network away for 4 s, refused", False, 4.0),
        ("network away for 15 s, silent", True, 15.0),
    ):
        values: dict[str, float | None] = {}
        for program in bench.there(OVER_SSH):
            async with bench.ground() as (ground, way):
                values[program.name] = await tried(
                    measures.after_cut(program, ground, way, silent=silent, outage=outage)
                )
        why = "the network came back between two tries"
        bench.add(_row(f"{what}: to data again", "s", 1.5, values, why=why))


async def many(bench: Bench) -> None:
    """One, ten and fifty boxes at once."""
    found: dict[int, measures.Fleet] = {}
    for boxes in (1, 10, 50):
        async with bench.ground(boxes=boxes) as (ground, _):
            found[boxes] = await measures.fleet(ground, boxes, bench.seconds)
    for boxes, seen in found.items():
        bench.add(Row(f"{boxes} boxes: until all gave data", "s", seen.first))
        bench.add(Row(f"{boxes} boxes: processor of the laptop", "% of a core", seen.laptop))
        bench.add(Row(f"{boxes} boxes: memory of the laptop", "MiB", seen.memory))
    each = (found[50].laptop - found[10].laptop) / 40
    bench.add(Row("each further box: processor of the laptop", "% of a core", each, 0.3))


async def asking(bench: Bench) -> None:
    """Commands that end."""
    async with bench.ground() as (ground, _):
        value = await measures.one_shot(programs.ours(ground, "--help"), bench.runs)
        bench.add(Row("gpubox-tui --help", "s", value, 0.15))
    for milliseconds in (0, 40):
        async with bench.ground(round_trip=milliseconds / 1000) as (ground, _):
            starts = [programs.ours(ground, "status", "box1"), programs.ssh(ground, "true")]
            value, login = await measures.alternating(starts, bench.runs)
            what = f"gpubox-tui status BOX, RTT {milliseconds} ms"
            bench.add(Row(what, "s", value, peers={"ssh BOX true": login}))
            why = "asyncssh takes 0.1 s to import, and rates need a second reading 0.15 s after the first"
            bench.add(Row(f"{what}, to ssh BOX true", "times", value / login, 2.2, why=why))
    for milliseconds, target in ((0, 3.0), (50, 5.0)):
        async with bench.ground(round_trip=milliseconds / 1000) as (ground, _):
            value = await measures.one_shot(programs.ours(ground, "check", "box1"), bench.runs)
            bench.add(Row(f"gpubox-tui check BOX, RTT {milliseconds} ms", "s", value, target))


async def showing(bench: Bench) -> None:
    """A desktop by one key."""
    async with bench.ground() as (ground, _):
        for row in await desktop.measure(ground, bench.runs):
            bench.add(row)


PARTS: dict[str, Callable[[Bench], Coroutine[object, object, None]]] = {
    "start": starting,
    "steady": settled,
    "keys": pressing,
    "logs": pouring,
    "cut": losing,
    "fleet": many,
    "local": here,
    "commands": asking,
    # Tunnels beside `ssh -L`, and through a link that is cut again and again.
    "tunnels": lambda bench: bench.take(
        tunnels.measure(bench.machine, max(3, bench.runs), max(30.0, bench.seconds))
    ),
    # Jobs, their logs, their queue and the environments they run in.
    "jobs": lambda bench: bench.take(jobs.measure(bench.machine, max(10, bench.runs), bench.seconds)),
    "desktop": showing,
    "monitor": lambda bench: bench.take(
        monitor.measure(bench.machine, bench.folder, max(60.0, bench.seconds))
    ),
}


async def measure(chosen: list[str], bench_of: Callable[[Machine, Path], Bench]) -> list[Row]:
    """Start the box and do the chosen parts."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpubox-bench-")))
        (folder / "box").mkdir()
        library = build(folder)
        smi = programs.nvidia_smi(folder / "smi", folder / "box" / "control")
        bench = bench_of(await stack.enter_async_context(machine(folder / "box", library, smi)), folder)
        for name in chosen:
            print(name, file=sys.stderr, flush=True)
            await PARTS[name](bench)
        return bench.rows


def main() -> None:
    """Read the words, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}; else all")
    parser.add_argument("--runs", type=int, default=5, help="how often a start is repeated")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long a program is watched")
    parser.add_argument("--alone", action="store_true", help="without the competitors")
    words = parser.parse_args()
    packages = [] if words.alone else [each.package for each in (*OVER_SSH, *ON_THE_BOX) if each.package]
    python = {name: found for name in packages if (found := programs.install(name))}
    began = time.monotonic()
    rows = asyncio.run(
        measure(
            words.parts or list(PARTS),
            lambda box, folder: Bench(box, folder, python, words.runs, words.seconds, []),
        )
    )
    missing = [name for name in packages if name not in python]
    about = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": "8 GPUs, 30 processes, 1 Hz, loopback",
        "seconds": round(time.monotonic() - began),
        "not installable": missing,
    }
    print("\n".join(lines(rows)))
    print("; ".join(f"{key}: {value}" for key, value in about.items() if value))
    save(rows, about, RESULT)


if __name__ == "__main__":
    main()
