"""`gpubox-tui replay` in a terminal of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpubox.core.link_state import Health, Phase
from gpubox.store.recording.writer import Writer
from tests.commands.run import ROOT
from tests.samples import NOW
from tests.store.recording.noisy import noisy
from tests.terminal import opened


async def test_a_recording_plays_and_moves_in_a_terminal(tmp_path: Path) -> None:
    with Writer(tmp_path / "file", "dgx-07") as writer:
        writer.link(NOW, Health(Phase.LIVE))
        for second, sample in enumerate(noisy(120)):
            writer.sample(NOW + second, sample)
    environment = {
        "HOME": str(tmp_path / "home"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "tui"),
        "TZ": "UTC",
    }
    command = [sys.executable, "-m", "gpubox", "replay", str(tmp_path / "file"), "--speed", "0.125"]
    async with opened(command, environment, columns=80, rows=24) as terminal:
        await terminal.shows("dgx-07", "RECORDING", "23 Nov 2025 12:3", "×0.125", "8 GPUs")
        terminal.press("$")
        await terminal.shows("at its end", "12:35:53")
        terminal.press(",")
        await terminal.shows("12:35:4")
        terminal.press(" ")
        await terminal.shows("paused ×0.125")
        terminal.press("(")
        await terminal.shows("12:34:4")
        terminal.press("^")
        await terminal.shows("12:33:54")
        terminal.press("n")
        await terminal.shows("This is a recording")
        terminal.press("q")
        assert await terminal.ended() == 0
        assert terminal.before == terminal.after
