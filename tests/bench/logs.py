"""The log of a job in the panel: how soon keys act while it pours in, and what endless ones take.

`python -m tests.bench.logs` measures these alone.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench import usage
from tests.bench.machine import machine
from tests.bench.measures import GPU, WARM_UP, running
from tests.bench.programs import Ground, Program, ours, program, settle
from tests.bench.table import Row, lines
from tests.fake_nvml.build import build
from tests.terminal import Terminal

_LINE = "line of epoch 12 step 31200 loss 0.0123 accuracy 0.987 lr 3.0e-04 images/s 2841"
_ROW = "line of"
"""What every row of the log holds, and nothing else on the screen."""
_POUR = f"for n in $(seq 4000); do yes '{_LINE}' | head -c 1000000; sleep 0.05; done"
"""Up to 20 MB a second, many times what a view takes in; 200 seconds at most, for the disk's sake."""
_MILLION = f"yes '{_LINE}' | head -n 1000000; echo THE END"
_GIB = f"yes '{_LINE}' | head -c {1 << 30}; echo; echo THE END"
_LETTERS = "QXZJQXZJ"
"""What is searched for: no line of the log holds a capital letter."""


@asynccontextmanager
async def job(ground: Ground, name: str, script: str) -> AsyncGenerator[None]:
    """Run a job on the box, and stop it afterwards."""
    options = ["--gpus", "none", "--name", name, "--config", str(ground.home / "gpubox.toml")]
    ident = await _said(ground, [*program(), "run", "box1", *options, "--", "sh", "-c", script])
    try:
        yield
    finally:
        await _said(ground, ours(ground, "jobs", "box1", "stop", ident).command)


async def _said(ground: Ground, command: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=ground.environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, command
    return out.decode().strip()


async def _opened(terminal: Terminal, name: str) -> None:
    """Open the log of the newest job."""
    await terminal.shows(GPU)
    await asyncio.sleep(WARM_UP)
    terminal.press("j")
    await terminal.shows(name)
    await asyncio.sleep(2.0)  # drawing the list is no part of opening the log
    terminal.press("\r")


async def keys(ground: Ground, presses: int) -> tuple[list[float], list[float], float]:
    """Return the seconds from key to paint while a log pours in, both sorted, and the panel's MiB then.

    First of letters to search for while its end is followed, then of moving up in it while more comes.
    """
    panel = Program("", lambda ground: ours(ground, "box1", "--set", "probe.interval=0.5"))
    letters: list[float] = []
    moves: list[float] = []
    chance = random.Random(7)
    async with job(ground, "pouring", _POUR), running(panel, ground) as terminal:

        async def press(key: str, written: str) -> float:
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            since, pressed = len(terminal.raw), time.monotonic()
            terminal.press(key)
            return await terminal.writes(written, since) - pressed

        await _opened(terminal, "pouring")
        await terminal.writes(_ROW, len(terminal.raw))
        while len(letters) < presses:
            await press("/", "search")
            for place, letter in enumerate(_LETTERS):
                letters.append(await press(letter, _LETTERS[: place + 1]))
            terminal.press("\x15\r")  # deletes the words, and closes the line
            await terminal.writes("following", len(terminal.raw))
        await press("\x1b[A", _ROW)
        moves = [await press("\x1b[A", _ROW) for _ in range(presses)]
        return sorted(letters), sorted(moves), usage.memory(terminal.process.pid)


async def reading(ground: Ground, name: str, script: str) -> tuple[float, float]:
    """Return the seconds to search a log from its end to its beginning, and the panel's MiB after that."""
    async with job(ground, name, script), running(Program("", ours), ground) as terminal:
        await _opened(terminal, name)
        await terminal.shows("THE END", limit=60.0)
        terminal.press("/")
        await terminal.shows("search")
        terminal.press(_LETTERS)
        await terminal.shows(_LETTERS)
        began = time.monotonic()
        terminal.press("\r")
        took = await terminal.shows("not found", limit=300.0) - began
        return took, usage.memory(terminal.process.pid)


async def measure(ground: Ground, presses: int) -> list[Row]:
    """Measure everything about logs in the panel."""
    letters, moves, memory = await keys(ground, presses)
    rows: list[Row] = []
    for what, took in (("a letter to search for", letters), ("a row up", moves)):
        for share in (0.5, 0.99):
            value = 1000 * took[min(len(took) - 1, int(share * len(took)))]
            title = f"key to paint while a log pours in, {what}, p{100 * share:.0f} of {len(took)}"
            why = "a paint of the whole log takes 10 to 25 ms; more is waiting for a core"
            rows.append(Row(title, "ms", value, 50.0 if share > 0.9 else None, why=why))
    rows.append(Row("memory of the laptop while a log pours in", "MiB", memory))
    for name, what, script in (("million", "a million lines", _MILLION), ("endless", "1 GiB", _GIB)):
        took, memory = await reading(ground, name, script)
        rows.append(Row(f"search a log of {what}, from end to beginning", "s", took))
        rows.append(Row(f"memory of the laptop after that, {what}", "MiB", memory))
    return rows


async def _alone() -> None:
    with tempfile.TemporaryDirectory(prefix="gpubox-bench-") as name:
        folder = Path(name)
        (folder / "box").mkdir()
        async with machine(folder / "box", build(folder)) as box:
            ground = Ground(box, box.port, folder / "laptop")
            settle(ground)
            print("\n".join(lines(await measure(ground, 200))))


if __name__ == "__main__":
    asyncio.run(_alone())
