"""The measurements: each starts programs on the simulated laptop and returns numbers."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import statistics
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench import usage
from tests.bench.machine import SIGN
from tests.bench.programs import Ground, Program, Start, ours
from tests.bench.proxy import Network
from tests.terminal import Terminal, opened

COLUMNS, ROWS = 200, 50
PAUSE = 0.06
"""Seconds without output after which it is looked at."""
GPU = "H100"
WARM_UP = 6.0
"""Seconds until a program has settled."""


@asynccontextmanager
async def running(program: Program, ground: Ground) -> AsyncGenerator[Terminal]:
    """Start a program in a terminal and end it afterwards as a user does, if it listens."""
    start = program.start(ground)
    async with opened(start.command, start.environment, columns=COLUMNS, rows=ROWS, pause=PAUSE) as terminal:
        yield terminal
        for ending in (signal.SIGTERM, signal.SIGKILL):
            terminal.process.send_signal(ending)
            try:
                await terminal.ended(3.0)
            except TimeoutError:
                continue
            return


async def beginning(program: Program, ground: Ground, runs: int) -> tuple[float, float]:
    """Return the medians of the seconds from start to first paint and to first data; one run warms up."""
    paints: list[float] = []
    data: list[float] = []
    for _ in range(runs + 1):
        async with running(program, ground) as terminal:
            painted = await terminal.until(lambda: bool(terminal.text.strip()), "paint")
            paints.append(painted - terminal.started)
            data.append(await terminal.shows(GPU) - terminal.started)
    return statistics.median(paints[1:]), statistics.median(data[1:])


@dataclass(frozen=True)
class Steady:
    """What a program takes while it runs, once it has settled."""

    laptop: float
    """Percent of one core of the laptop."""
    box: float
    """Seconds of processor time a minute on the box, sshd included."""
    down: float
    """Bytes a second from the box."""
    up: float
    """Bytes a second to the box."""
    memory: float
    """MiB on the laptop."""


async def steady(program: Program, ground: Ground, way: Network, seconds: float) -> Steady:
    """Watch a program for some seconds."""
    async with running(program, ground) as terminal:
        await terminal.shows(GPU)
        await asyncio.sleep(WARM_UP)
        return await _watched(terminal.process.pid, ground, way, seconds)


async def _watched(pid: int, ground: Ground, way: Network, seconds: float) -> Steady:
    def now() -> tuple[float, float, float, float, float]:
        box = usage.cpu_seconds(ground.machine.pid)
        return time.monotonic(), usage.cpu_seconds(pid), box, way.down, way.up

    before = now()
    await asyncio.sleep(seconds)
    passed, laptop, box, down, up = (after - start for after, start in zip(now(), before, strict=True))
    return Steady(100 * laptop / passed, 60 * box / passed, down / passed, up / passed, usage.memory(pid))


async def keys(ground: Ground, presses: int) -> tuple[list[float], list[float]]:
    """Return the seconds from key to paint while data pours in, both sorted.

    First of letters that narrow the list of processes, then of the help, which opens over the panels.
    """
    program = Program("", lambda ground: ours(ground, "box1", "--set", "probe.interval=0.5"))
    letters: list[float] = []
    helps: list[float] = []
    chance = random.Random(7)
    async with running(program, ground) as terminal:

        async def press(key: str, shown: str = "", hidden: str = "") -> float:
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            await terminal.caught_up()
            pressed = time.monotonic()
            terminal.press(key)
            return await (terminal.shows(shown) if shown else terminal.hides(hidden)) - pressed

        await terminal.shows(GPU)
        await asyncio.sleep(WARM_UP)
        for _ in range(presses // 4):
            helps.append(await press("?", shown="box.retry"))
            await press("?", hidden="box.retry")
        await press("2", shown="/ Filter")
        await press("/", shown="words in user")
        for _ in range(presses // 8):
            typed = ""
            for letter in "resnet15":
                typed += letter
                letters.append(await press(letter, shown=f"│ {typed}    "))
            terminal.press("\x15")  # deletes to the start of the line
            await terminal.hides(f"│ {typed} ")
    return sorted(letters), sorted(helps)


async def after_cut(program: Program, ground: Ground, way: Network, *, silent: bool, outage: float) -> float:
    """Return the seconds from the network's return to fresh data on the screen.

    `silent` swallows all bytes in the outage; else every connection is reset and new ones are refused.
    """
    async with running(program, ground) as terminal:
        await terminal.shows(GPU)
        await asyncio.sleep(WARM_UP)
        if silent:
            way.hold()
        else:
            way.cut()
        await asyncio.sleep(outage)
        fresh = SIGN + random.randrange(24, 100)  # three digits that nothing else on the screen has
        ground.machine.show(fresh)
        back = time.monotonic()
        way.repair()
        try:
            mark = re.compile(program.mark.format(sign=fresh))
            return await terminal.until(lambda: bool(mark.search(terminal.text)), "data", 60.0) - back
        finally:
            ground.machine.show(SIGN)


@dataclass(frozen=True)
class Fleet:
    """What many boxes at once cost, read once a second by `status --watch 1 --json`."""

    first: float
    """Seconds until each box gave its first reading."""
    laptop: float
    """Percent of one core."""
    memory: float
    """MiB."""


async def fleet(ground: Ground, boxes: int, seconds: float) -> Fleet:
    """Read many boxes at once; they are all the same one, which then is busier than fifty would be."""
    names = [f"box{number + 1}" for number in range(boxes)]
    start = ours(ground, "status", *names, "--json", "--watch", "1")
    process = await asyncio.create_subprocess_exec(
        *start.command, env=start.environment, stdout=asyncio.subprocess.PIPE, limit=2**22
    )
    assert process.stdout is not None
    began, seen = time.monotonic(), set[str]()
    try:
        async with asyncio.timeout(120):
            while len(seen) < boxes:
                seen.add(json.loads(await process.stdout.readline())["box"])
        first = time.monotonic() - began
        reading = asyncio.create_task(_drain(process.stdout))
        await asyncio.sleep(WARM_UP)
        before = usage.cpu_seconds(process.pid), time.monotonic()
        await asyncio.sleep(seconds)
        spent = usage.cpu_seconds(process.pid) - before[0]
        passed, memory = time.monotonic() - before[1], usage.memory(process.pid)
        reading.cancel()
        return Fleet(first, 100 * spent / passed, memory)
    finally:
        process.kill()
        await process.communicate()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def one_shot(start: Start, runs: int) -> float:
    """Return the median of the seconds that a command takes; one run warms up."""
    return (await alternating([start], runs))[0]


async def alternating(starts: Sequence[Start], runs: int) -> list[float]:
    """Return the medians of the seconds that commands take, run by turns on a machine that may be busy."""
    took: list[list[float]] = [[] for _ in starts]
    for _ in range(runs + 1):
        for start, found in zip(starts, took, strict=True):
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *start.command, env=start.environment, stdout=asyncio.subprocess.DEVNULL
            )
            await process.wait()
            found.append(time.monotonic() - began)
    return [statistics.median(found[1:]) for found in took]
