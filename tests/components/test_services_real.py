"""A real Jupyter server and a real TensorBoard, found by themselves and opened by name over a real link."""

from __future__ import annotations

import asyncio
import html
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.services import Access, Service, Services
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Channels
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.shell import SshShell
from tests.boxes.scripted import context, until
from tests.commands.run import PROGRAM, environment
from tests.components import served
from tests.components.desk import Desk, working
from tests.components.served import serving
from tests.components.servers import dropbear, free_port, sshd
from tests.hang import LIMIT

TOKEN = "a0b1c2d3e4f5a6b7"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def channels_of(shell: Shell) -> Channels:
    assert isinstance(shell, SshShell)
    return SshChannels(shell)


@asynccontextmanager
async def connected(desk: Desk, folder: Path) -> AsyncGenerator[Box]:
    """A box behind a real sshd, reached."""
    async with sshd(folder, desk.public) as server:
        box = Box(BoxContext(Target("xub", "ssh")), desk.link(server), channels_of)
        keeping = asyncio.ensure_future(box.keep(Purpose.COMMAND))
        try:
            await until(lambda: box.channels.value is not None, 20)
            yield box
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])


async def found(box: Box, fits: Callable[[Service], bool]) -> Service:
    """Look for a service until it is there."""
    async with asyncio.timeout(LIMIT):
        while True:
            for service in await box.use(Services).find():
                if fits(service):
                    return service
            await asyncio.sleep(0.1)


def answer(url: str) -> object:
    """Return what a service answers, as JSON."""
    with _DIRECT.open(url, timeout=LIMIT) as reply:
        return cast("object", json.loads(reply.read()))


async def test_jupyter_is_found_with_its_token_and_answers_through_the_tunnel(
    desk: Desk, tmp_path: Path
) -> None:
    project, runtime = tmp_path / "whales", tmp_path / "runtime"
    project.mkdir()
    runtime.mkdir()
    port = free_port()
    words = ["-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    words += ["--ServerApp.base_url=/lab7/", "--ServerApp.ip=127.0.0.1"]
    reported_it = {"JUPYTER_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path), "JUPYTER_TOKEN": TOKEN}
    async with serving(words, project, reported_it) as process, connected(desk, tmp_path / "box") as box:
        service = await found(box, lambda one: one.port == port and bool(one.token))
        assert (service.key, service.pid, service.mine) == ("jupyter-whales", process.pid, True)
        assert (service.access, service.base, service.folder) == (Access.TOKEN, "/lab7/", str(project))
        assert TOKEN not in repr(box.use(Services).feed.value)

        tunnel = await box.use(Services).open(box.use(Services).named("jupyter"))
        assert tunnel.name == "jupyter-whales"
        base, _, query = service.url(tunnel.port).partition("?")
        reported = await asyncio.to_thread(answer, f"{base}api/status?{query}")
        assert isinstance(reported, dict)
        assert "kernels" in reported
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await asyncio.to_thread(answer, f"{base}api/status?token=wrong")

        assert box.use(Services).behind(tunnel) == service
        assert (await box.use(Services).open(service)).id == tunnel.id


def opener(folder: Path) -> dict[str, str]:
    """A browser that keeps the page it is given as `saw`, and an environment that names it."""
    file, saw = folder / "browser", folder / "saw"
    file.write_text(f'#!/bin/sh\ncat "${{1#file://}}" >{saw}.half && mv {saw}.half {saw}\n')
    file.chmod(0o755)
    pages = folder / "pages"
    pages.mkdir()
    return environment(HOME=str(folder), BROWSER=f"{file} %s", TMPDIR=str(pages))


def led_to(folder: Path) -> str:
    """Where the page leads that the browser was given."""
    return html.unescape((folder / "saw").read_text().partition('href="')[2].partition('"')[0])


async def test_one_command_opens_jupyter_in_the_browser_with_its_token(tmp_path: Path) -> None:
    project = tmp_path / "dogs"
    project.mkdir()
    words = ["-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={free_port()}"]
    runtime = {"JUPYTER_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "JUPYTER_TOKEN": TOKEN}
    async with serving(words, project, runtime):
        await until(lambda: list(tmp_path.glob("jpserver-*.json")), LIMIT)
        process = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "tunnel", "local", "open", "jupyter-dogs"),
            env=opener(tmp_path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await until((tmp_path / "saw").exists, LIMIT)
            base, _, query = led_to(tmp_path).partition("?")
            reported = await asyncio.to_thread(answer, f"{base}api/status?{query}")
        finally:
            process.send_signal(signal.SIGINT)
            said = (await process.communicate())[0].decode()
    assert "kernels" in cast("dict[str, object]", reported)
    assert base in said
    assert TOKEN not in said
    assert os.listdir(tmp_path / "pages") == [], "the page with the token is gone with the program"


async def test_tensorboard_is_found_with_its_folder_and_opened_by_name(desk: Desk, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "exp").mkdir(parents=True)
    port = free_port()
    words = ["-W", "ignore", "-m", "tensorboard.main", "--logdir", "exp", "--host", "127.0.0.1"]
    words += ["--port", str(port), "--load_fast", "false", "--path_prefix", "/tb"]
    async with (
        serving(words, runs, {"TMPDIR": str(tmp_path)}) as process,
        connected(desk, tmp_path / "box") as box,
    ):
        service = await found(box, lambda one: one.port == port and one.kind == "tensorboard")
        assert (service.pid, service.title, service.folder) == (process.pid, "exp", str(runs / "exp"))
        tunnel = await box.use(Tunnels).open(None, "tensorboard-exp")
        url = f"{service.url(tunnel.port)}data/environment"
        reported = await asyncio.to_thread(answer, url)
        assert isinstance(reported, dict)
        assert cast("dict[str, object]", reported)["data_location"] == "exp"


async def test_a_real_box_without_python_reports_what_listens(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing that is named python can be started by what the server starts.
    monkeypatch.setenv("GPUBOX_TEST_HIDE", "python")
    home = tmp_path / "home"
    home.mkdir()

    async def check(shell: Shell) -> None:
        services = Services(context("xub", shell=Feed(shell)))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await services.find()
            service = services.named(str(listening.getsockname()[1]))
        assert (service.pid, service.mine) == (os.getpid(), True)
        assert (await shell.run("python3 -c 1")).status != 0

    async with (
        dropbear(tmp_path / "box", desk.public, home, "bash") as server,
        working(desk.link(server), check),
    ):
        pass


@pytest.mark.parametrize(("ci", "outcome"), [("true", "Failed"), ("", "Skipped")])
def test_services_that_are_not_installed_skip_their_tests_but_fail_them_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    pins = tmp_path / "services.txt"
    pins.write_text("another==1\n")
    monkeypatch.setattr(served, "PINS", pins)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match="Jupyter and TensorBoard are not in") as raised:
        served.python()
    assert type(raised.value).__name__ == outcome
