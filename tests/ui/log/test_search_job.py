"""The log of a job that really runs: searched and counted by our program on the box, while it grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpubox.boxes.jobs.jobs import Jobs
from gpubox.core.channels import Channels
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.remote.jobs.box import Box
from tests.ui.fakes import make_box, until
from tests.ui.log_desk import Desk

SCRIPT = r"""
seq 9000
printf '\033[31mEp\033[1moch\033[0m 1\n'
seq 9000
printf 'epoch 2\rbar\n'
seq 90
WAIT
echo epoch 3
"""


async def test_a_real_log_is_searched_and_counted_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path)
    monkeypatch.setenv("HOME", str(box.home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    shell = LocalShell()
    shells, channels = Feed[Shell | None](shell), Feed[Channels | None](LocalChannels(shell))
    desk = Desk(make_box(), Jobs("box", shells, channels, environment=box.environment))
    gate = tmp_path / "gate"
    gate.touch()
    script = SCRIPT.replace("WAIT", f"while [ ! -s {gate} ]; do sleep 0.05; done")
    try:
        job = box.launch("sh", "-c", script).id
        async with desk.run_test(size=(80, 12)) as pilot:
            desk.pane.show(job)
            desk.pane.view.focus()
            await until(pilot, lambda: desk.rows[-1] == "90")
            await pilot.press("slash", *"epoch", "enter")
            await until(pilot, lambda: "“epoch” 2 of 2 ·" in desk.said)
            assert "bar" in desk.rows, "the line whose words the bar drew over"
            await pilot.press("N")
            await until(pilot, lambda: "“epoch” 1 of 2 ·" in desk.said)
            assert "Epoch 1" in desk.rows
            gate.write_text("x")
            await until(pilot, lambda: "“epoch” 1 of 3 ·" in desk.said)
            await pilot.press("N")
            await until(pilot, lambda: "“epoch” 3 of 3 · search wrapped" in desk.said)
            await pilot.press("home", "n")
            await until(pilot, lambda: "“epoch” 1 of 3 ·" in desk.said)
    finally:
        box.close()
