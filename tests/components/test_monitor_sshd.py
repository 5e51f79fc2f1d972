"""The service over OpenSSH's own sshd: installed, outlives the link, is updated, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from gpubox.agent.bundle import Program
from gpubox.boxes.box import Box
from gpubox.boxes.monitor import Monitor, MonitorRequest, MonitorStatus
from tests import orphans
from tests.components.desk import Desk
from tests.components.servers import sshd
from tests.components.test_jobs_sshd import boxed
from tests.fake_nvml.build import build
from tests.hang import LIMIT
from tests.remote.monitor.service.box import CRONTAB, tree
from tests.ssh.fakes import alive

TABLE = b"MAILTO=ada\n0 3 * * * backup 100\\%\n"


@pytest.fixture
def box_home(tmp_path: Path) -> Generator[Path]:
    """The home of the box, with something in it; no service of it outlives the test."""
    made = tmp_path / "home"
    (made / ".config").mkdir(parents=True)
    (made / ".profile").write_text("# mine\n")
    yield made
    orphans.end(str(made))


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """What programs get on the box: a GPU, cron, and no systemd of this machine."""
    program = tmp_path / "bin/crontab"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n" + CRONTAB)
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(tmp_path / "nowhere"),
        "GPUBOX_NVML_LIB": str(build(tmp_path)),
    }


def files(home: Path) -> list[str]:
    """What is in the home, without the cache of programs, which any request fills."""
    return [name for name in tree(home) if not name.startswith(".cache")]


async def seen(box: Box, condition: Callable[[MonitorStatus], object]) -> MonitorStatus:
    """Return the first status that meets a condition."""
    async with asyncio.timeout(LIMIT):
        while not condition(status := await box.use(Monitor).look()):  # noqa: ASYNC110 - a box has no event
            await asyncio.sleep(0.1)
        return status


def another(program: Program) -> Program:
    """Return the program of another version."""
    return Program(
        program.name, {**program.files, "gpubox/remote/monitor/newer.py": b"# new\n"}, program.main
    )


async def test_it_outlives_the_link_is_updated_and_leaves_nothing(
    desk: Desk,
    tmp_path: Path,
    box_home: Path,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crontab = tmp_path / "crontab"
    crontab.write_bytes(TABLE)
    before = files(box_home)
    async with sshd(tmp_path / "box", desk.public, home=box_home) as server:
        async with boxed(desk, server, variables) as box:
            assert not (await box.use(Monitor).look()).installed
            assert files(box_home) == before
            first = await box.use(Monitor).install(MonitorRequest(1.0))
            assert (first.running, first.way, first.version) == (True, "cron", box.use(Monitor).version)
            assert crontab.read_bytes().startswith(TABLE)
        pids = {first.pid}
        async with boxed(desk, server, variables) as box:
            status = await seen(box, lambda status: status.frames > first.frames + 1)
            assert (status.pid, status.gpus, status.interval) == (first.pid, 1, 1.0)
            assert not status.late
            assert not box.use(Monitor).is_old(status)
            with monkeypatch.context() as patch:
                newer = another(box.use(Monitor).program)
                patch.setattr(Monitor, "program", newer)
                assert box.use(Monitor).is_old(status)
                updated = await box.use(Monitor).update()
                assert updated.version == box.use(Monitor).version != first.version
                pids.add(updated.pid)
                assert len(pids) == 2
                os.kill(updated.pid or 0, signal.SIGKILL)
                await seen(box, lambda status: not status.running)
                again = await box.use(Monitor).start()
                assert again.running
                pids.add(again.pid)
                removed = await box.use(Monitor).remove()
            assert (removed.installed, removed.running, removed.notes) == (False, False, ())
    assert files(box_home) == before
    assert crontab.read_bytes() == TABLE
    assert [pid for pid in pids if pid is None or alive(pid)] == []
