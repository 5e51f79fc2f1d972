"""A desktop by one key: seconds until its first picture is in a viewer and on the panel.

`python -m tests.bench.desktop` measures it alone.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.machine import machine
from tests.bench.measures import GPU, WARM_UP, running
from tests.bench.programs import Ground, Program, ours, settle
from tests.bench.table import Row, lines
from tests.fake_nvml.build import build

# Asks for the whole screen and notes when the first of it is there; it holds on until it is ended.
_VIEWER = """
import socket, sys, time
one = socket.create_connection((sys.argv[2], int(sys.argv[3])))
def take(size):
    data = b""
    while len(data) < size: data += one.recv(size - len(data))
    return data
take(12); one.sendall(b"RFB 003.008\\n"); take(take(1)[0]); one.sendall(b"\\1"); take(4); one.sendall(b"\\1")
head = take(24); take(int.from_bytes(head[20:], "big"))
one.sendall(b"\\2\\0\\0\\1\\0\\0\\0\\0" + b"\\3\\0\\0\\0\\0\\0" + head[:4]); take(4)
with open(sys.argv[1], "w") as file: file.write(str(time.monotonic()))
while one.recv(65536): pass
"""
_CELL = "▀"
"""What a small picture is made of, and nothing else on the panel."""


async def first_pictures(ground: Ground) -> tuple[float, float]:
    """Press `v` where no desktop runs; return the seconds to the picture in the viewer, and on the panel."""
    script, reported = ground.home / "viewer.py", ground.home / "told"
    script.write_text(_VIEWER)
    reported.unlink(missing_ok=True)
    viewer = f"desktop.viewer={sys.executable} -I -S {script} {reported} {{host}} {{port}}"
    program = Program("", lambda ground: ours(ground, "box1", "--set", viewer))
    async with running(program, ground) as terminal:
        await terminal.shows(GPU)
        await asyncio.sleep(WARM_UP)
        await terminal.caught_up()
        assert _CELL not in terminal.text
        pressed = time.monotonic()
        terminal.press("v")
        panel = await terminal.shows(_CELL) - pressed
        await terminal.until(
            lambda: reported.exists() and bool(reported.read_text()), "picture in the viewer"
        )
        terminal.press("x")
        await terminal.shows("Stop desktop")
        terminal.press("y")
        await terminal.shows("No desktop runs")
    return float(reported.read_text()) - pressed, panel


async def measure(ground: Ground, runs: int) -> list[Row]:
    """Measure a few starts; the first of them warms up."""
    if shutil.which("Xtigervnc") is None:
        return [Row("desktop: key to first picture", "s", None, 0.8, note="needs tigervnc-standalone-server")]
    took = [await first_pictures(ground) for _ in range(runs + 1)][1:]
    viewer, panel = (statistics.median(column) for column in zip(*took, strict=True))
    why = "the server itself takes 0.2 to 0.5 s to start"
    return [
        Row("desktop: key to first picture", "s", viewer, 0.8, note="in a viewer, started with it", why=why),
        Row("desktop: key to first small picture", "s", panel, note="on the panel"),
    ]


async def _alone() -> None:
    with tempfile.TemporaryDirectory(prefix="gpubox-bench-") as name:
        folder = Path(name)
        (folder / "box").mkdir()
        async with machine(folder / "box", build(folder)) as box:
            ground = Ground(box, box.port, folder / "laptop")
            settle(ground)
            print("\n".join(lines(await measure(ground, 5))))


if __name__ == "__main__":
    asyncio.run(_alone())
