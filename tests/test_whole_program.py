"""The whole program in a terminal of its own, as a user starts, uses and leaves it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bench.usage import family
from tests.hang import LIMIT
from tests.terminal import Terminal, opened

ROOT = Path(__file__).parents[1]
ESCAPE = "\x1b"

# Alternate screen, mouse, focus events and pasting in brackets are off; line wrap and cursor are on.
LEFT_CLEAN = {
    **dict.fromkeys((1049, 1000, 1003, 1006, 1015, 1004, 2004), False),
    **dict.fromkeys((25, 7), True),
}


@asynccontextmanager
async def demo(
    folder: Path, *, columns: int = 120, rows: int = 40, under: Sequence[str] = ()
) -> AsyncGenerator[Terminal]:
    """Run the panel on the demo box, with a home and a folder for temporary files of its own."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    environment = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "tui"),
    }
    command = [*under, sys.executable, "-m", "gpubox", "demo"]
    async with opened(command, environment, columns=columns, rows=rows) as terminal:
        yield terminal


def clean(terminal: Terminal) -> bool:
    """Whether the terminal is as it was before the program."""
    modes = terminal.modes
    return terminal.before == terminal.after and LEFT_CLEAN.items() <= {**LEFT_CLEAN, **modes}.items()


async def gone(pids: list[int], limit: float = LIMIT) -> list[int]:
    """Wait until processes have ended; return those that have not within the limit."""
    end = time.monotonic() + limit
    while (pids := [pid for pid in pids if alive(pid)]) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return pids


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_person_starts_looks_around_and_quits(tmp_path: Path) -> None:
    async with demo(tmp_path) as terminal:
        await terminal.shows("GTX 1070", "RTX 4090", "SIMULATED", "live")
        assert terminal.modes[1049], "the panel draws on the alternate screen"
        everyone = list(family(terminal.process.pid))
        assert len(everyone) > 1, "the demo box runs the probe as a process"

        terminal.press("?")
        await terminal.shows("On this screen", "box.retry")
        terminal.press(ESCAPE)
        await terminal.hides("box.retry")

        terminal.press("2/")  # in one go: the second key is for the panel that the first one moves to
        await terminal.shows("words in user, command")
        terminal.press("no such process")
        await terminal.shows("no such process")
        terminal.press(ESCAPE)
        await terminal.hides("no such process")

        terminal.press("q")
        assert await terminal.ended() == 0, terminal.text
        await terminal.until(lambda: clean(terminal), "clean terminal")
        assert "Traceback" not in terminal.text
        assert await gone(everyone) == []
        assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_leaves_terminal_and_processes_clean(tmp_path: Path, ending: signal.Signals) -> None:
    async with demo(tmp_path) as terminal:
        await terminal.shows("GTX 1070", "live")
        everyone = list(family(terminal.process.pid))
        terminal.process.send_signal(ending)
        await terminal.ended()
        await terminal.until(lambda: clean(terminal), "clean terminal")
        assert "Traceback" not in terminal.text
        assert await gone(everyone) == []
        assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("under", [(), ("sh", "-c", 'trap "" HUP INT; exec "$@"', "sh")])
async def test_a_closed_window_leaves_nothing_running(tmp_path: Path, under: Sequence[str]) -> None:
    async with demo(tmp_path, under=under) as terminal:
        await terminal.shows("GTX 1070", "live")
        everyone = list(family(terminal.process.pid))
        terminal.close()
        await terminal.ended()
        assert await gone(everyone) == []
        assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50), (40, 10)])
async def test_the_panel_fits_the_window(tmp_path: Path, columns: int, rows: int) -> None:
    async with demo(tmp_path, columns=columns, rows=rows) as terminal:
        await terminal.shows("1070" if rows > 10 else "GPU")
        terminal.press("q")
        assert await terminal.ended() == 0, terminal.text
        await terminal.until(lambda: clean(terminal), "clean terminal")
