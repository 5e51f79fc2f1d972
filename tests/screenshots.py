"""`python -m tests.screenshots`: draws screenshots/ from the demo box, through the real program and its ssh.

The load is what the demo box simulates. Around it would be the machine that runs this: its name, user, disks
and other processes have no place in a picture for everybody, and an invented machine takes their place.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.boxes.desktops import Desktops
from gpubox.boxes.factory import open_box
from gpubox.boxes.targets import parse
from gpubox.config.settings import Settings, UiSettings
from gpubox.core.link_state import Health
from gpubox.core.prompts import Asker
from gpubox.core.record import Record
from gpubox.core.sample import Disk, Host, Sample
from gpubox.core.target import Target
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.panels.desktop.picture import DesktopPicture
from gpubox.ui.screens.ask import AskScreen
from tests import scenes, scenes_alerts, scenes_checks, scenes_jobs

FOLDER = Path(__file__).parents[1] / "screenshots"
SIZES = ((80, 24), (120, 40), (200, 50))
FILL = 66
"""Seconds of history that the pictures show: the graphs span a minute."""
USER, ADDRESS = "ada", "ada@127.0.0.1:2222"
GIB = 1024**3


class Step(NamedTuple):
    """One frame of the tour."""

    keys: Sequence[str]
    """What is pressed before it."""
    seconds: float
    """How long it is shown."""


TOUR = (
    Step((), 3),
    Step(("c",), 2.5),
    Step(("c", "enter"), 3),
    Step(("escape", "2"), 2.5),
    Step(("slash", *"train"), 3),
    Step(("escape", "escape", "j"), 3),
    Step(("home", "enter"), 4),
    Step(("escape", "question_mark"), 3),
)


def elsewhere(sample: Sample) -> Sample:
    """Return a sample with another machine around its GPUs."""
    host: Host = replace(
        sample.host,
        hostname="deepbox",
        distribution="Ubuntu 24.04.3 LTS",
        kernel="6.8.0-87-generic",
        cpu_model="AMD Ryzen 7 5800X 8-Core Processor",
        boot_id="",
        disks=(
            Disk(mount="/", device="/dev/nvme0n1p2", filesystem="ext4", used=312 * GIB, total=916 * GIB),
            Disk(mount="/data", device="/dev/sda1", filesystem="ext4", used=3105 * GIB, total=3667 * GIB),
        ),
    )
    processes = tuple(
        replace(process, user=USER, command=re.sub(r"\S*/", "", process.command))
        for process in sample.processes
        if process.gpu is not None
    )
    return replace(sample, host=host, processes=processes)


def open_elsewhere(target: Target, settings: Settings, asker: Asker) -> Box:
    """Open a box whose samples and address are those of another machine."""
    box = open_box(target, settings, asker)
    put_sample, put_health = box.sample.put, box.link.health.put

    def sample(value: Sample | None) -> None:
        put_sample(None if value is None else elsewhere(value))

    def health(value: Health) -> None:
        address = ADDRESS if value.address else ""
        put_health(
            Health(value.phase, value.since, value.step, value.retry_at, value.attempt, value.reason, address)
        )

    box.sample.put, box.link.health.put = sample, health
    scenes.furnish(box, USER)
    scenes_jobs.furnish(box)
    scenes_checks.furnish(box)
    scenes_alerts.furnish(box)
    return box


def picture(app: GpuBoxApp) -> str:
    """Return the screen as SVG that loads nothing from elsewhere."""
    svg = app.export_screenshot(title="gpubox-tui", simplify=True)
    svg = re.sub(r"\s*@font-face\s*{[^}]*}", "", svg)
    svg = re.sub(r"terminal-\d+", "terminal", svg)  # a number that changes with every picture
    return slim(svg)


def slim(svg: str) -> str:
    """Leave out what does not show: a clip for every line, and text that is only space."""
    svg = re.sub(r' clip-path="url\(#terminal-line-\d+\)"', "", svg)
    svg = re.sub(r'<clipPath id="terminal-line-\d+">.*?</clipPath>\s*', "", svg, flags=re.DOTALL)
    svg = re.sub(r"<text[^>]*>(&#160;|\s)*</text>", "", svg)
    svg = re.sub(
        r'x="([\d.]+)"( y="[^"]*") textLength="([\d.]+)">((?:&#160;)*)(.*?)((?:&#160;)*)<', trimmed, svg
    )
    return re.sub(rf"({_BLOCK.pattern})+", lambda row: joined(row.group()), svg)


_CELL = 12.2
"""Width of a character, which Rich fixes by its font size."""


def trimmed(text: re.Match[str]) -> str:
    """Return a text without the spaces around it: not every viewer draws those before it."""
    x, y, length, before, words, after = text.groups()
    left, right = before.count("&") * _CELL, after.count("&") * _CELL
    return f'x="{float(x) + left:g}"{y} textLength="{float(length) - left - right:g}">{words}<'


_SHARP = ' shape-rendering="crispEdges"'
_BLOCK = re.compile(r'<rect fill="(?:#\w+)" x="[^"]*" y="[^"]*" width="[^"]*" height="[^"]*" shape[^>]*>')


def joined(blocks: str) -> str:
    """Return colored blocks of a row with neighbors of one color as one block."""
    rows: list[tuple[str, float, str, float, str]] = []
    for block in _BLOCK.findall(blocks):
        color, x, y, width, height = re.findall(r'="([^"]*)"', block)[:5]
        if (
            rows
            and rows[-1][0] == color
            and rows[-1][2] == y
            and abs(rows[-1][1] + rows[-1][3] - float(x)) < 0.1
        ):
            rows[-1] = (color, rows[-1][1], y, rows[-1][3] + float(width), height)
        else:
            rows.append((color, float(x), y, float(width), height))
    return "".join(
        f'<rect fill="{color}" x="{x:g}" y="{y}" width="{width:g}" height="{height}"{_SHARP}/>'
        for color, x, y, width, height in rows
    )


def film(frames: Sequence[tuple[str, float]]) -> str:
    """Return frames as one SVG that shows one after the other, forever."""
    whole = sum(seconds for _, seconds in frames)
    head = re.match(r"<svg[^>]*>", frames[0][0])
    assert head is not None
    rules: list[str] = []
    bodies: list[str] = []
    begin = 0.0
    for number, (svg, seconds) in enumerate(frames):
        start, end = 100 * begin / whole, 100 * (begin + seconds) / whole
        steps = (
            f"0%{{visibility:hidden}}{start:.2f}%{{visibility:visible}}{end:.2f}%,100%{{visibility:hidden}}"
        )
        rules.append(
            f"@keyframes f{number}{{{steps}}}#f{number}{{animation:f{number} {whole}s step-end infinite}}"
        )
        # Each frame has styles and clips of its own under the same names.
        bodies.append(f'<g id="f{number}">{svg.replace("terminal-", f"t{number}-")}</g>')
        begin += seconds
    return f"{head.group()}\n<style>{''.join(rules)}</style>\n{''.join(bodies)}\n</svg>\n"


async def fill(box: Box) -> None:
    """Wait until the box was watched for long enough."""
    async with asyncio.timeout(FILL + 60):
        seen: set[int] = set()
        async for sample in box.sample.follow():
            if sample is not None:
                seen.add(int(sample.time))
            if len(seen) >= FILL:
                return


async def settle(pilot: Pilot[None], box: Box) -> None:
    """Wait until a change is drawn and the next sample is in."""
    await pilot.pause()
    before = box.sample.value
    async with asyncio.timeout(10):
        async for sample in box.sample.follow():
            if sample is not before:
                break
    await asyncio.sleep(0.6)  # the screen takes samples at most twice a second
    await pilot.pause()


async def draw(folder: Path) -> None:
    """Draw all pictures into a folder."""
    settings = Settings(ui=UiSettings(history_minutes=1), desktop=scenes.DESKTOP)
    opened: list[Box] = []

    def opener(target: Target, asker: Asker) -> Box:
        opened.append(open_elsewhere(target, settings, asker))
        return opened[-1]

    demo = parse("demo", settings)
    app = GpuBoxApp(settings=settings, targets=[demo], first=demo, opener=opener)
    async with app.run_test(size=SIZES[0]) as pilot:
        async with asyncio.timeout(20):
            while not opened:
                await pilot.pause(0.05)
        print(f"watching the demo box for {FILL} s", file=sys.stderr)
        runs, _ = await asyncio.gather(scenes_jobs.employ(opened[0]), fill(opened[0]))
        for columns, rows in SIZES:
            await pilot.resize_terminal(columns, rows)
            await settle(pilot, opened[0])
            app.clear_notifications()
            await pilot.pause()
            (folder / f"{columns}x{rows}.svg").write_text(picture(app))
        await pilot.resize_terminal(*SIZES[1])
        frames: list[tuple[str, float]] = []
        for step in TOUR:
            await pilot.press(*step.keys)
            await settle(pilot, opened[0])
            frames.append((picture(app), step.seconds))
        (folder / "tour.svg").write_text(film(frames))
        for draw_windows in (scenes_checks.draw, scenes_alerts.draw):
            await draw_windows(
                pilot, opened[0], lambda name: (folder / f"{name}.svg").write_text(picture(app))
            )
        await draw_jobs(folder, app, pilot, opened[0], runs)
        await draw_channels(folder, app, pilot, opened[0])


async def draw_jobs(
    folder: Path, app: GpuBoxApp, pilot: Pilot[None], box: Box, runs: Sequence[Record]
) -> None:
    """Draw a job that runs, the environments, and two jobs side by side."""
    for name in ("jobs", "envs", "compare"):
        await scenes_jobs.come_to(name, pilot, box, runs)
        (folder / f"{name}.svg").write_text(picture(app))
    await pilot.press("escape")


async def draw_channels(folder: Path, app: GpuBoxApp, pilot: Pilot[None], box: Box) -> None:
    """Draw the panels of tunnels and desktops; the latter only where this machine can start one."""
    await pilot.press("escape", "escape", "t")
    await scenes.flow(box, 6)
    await pilot.pause()
    (folder / "tunnels.svg").write_text(picture(app))
    if not scenes.has_server():
        print("no desktop.svg: it takes TigerVNC, openbox and xterm", file=sys.stderr)
        return
    try:
        await pilot.press("v")
        async with asyncio.timeout(30):
            while not asks(app):  # a first desktop is started only after a yes
                await pilot.pause(0.1)
            await pilot.press("y")
            while asks(app):
                await pilot.pause(0.1)
            await pilot.press("m")
            shown = app.screen.query_one(DesktopPicture)
            while shown.picture is None or not any(one.ours for one in box.use(Desktops).feed.value):
                await pilot.pause(0.1)
        await scenes.flow(box, 8)  # its windows open, and the next picture comes
        app.clear_notifications()
        await pilot.pause()
        (folder / "desktop.svg").write_text(picture(app))
    finally:
        await scenes.clear(box)


def asks(app: GpuBoxApp) -> bool:
    """Return whether a question is on the screen."""
    return isinstance(app.screen, AskScreen)


def main() -> None:
    """Draw and say what was drawn."""
    FOLDER.mkdir(exist_ok=True)
    asyncio.run(draw(FOLDER))
    for file in sorted(FOLDER.glob("*.svg")):
        print(f"{file.name}: {file.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
