"""`gpubox-tui tunnel` as a program: what it prints, how long it stays, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.commands.tunnel_hold import to_json
from gpubox.core.channels import Direction, Forward, Traffic
from gpubox.core.errors import RemoteError
from tests.commands.run import PROGRAM, environment, here
from tests.hang import LIMIT
from tests.ssh.carried import asked, echo, free_port, program


class Running:
    """The program, while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            line = await self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError((await self.process.stderr.read()).decode())
        return line.decode().rstrip("\n")

    async def ended(self) -> tuple[int, str]:
        """Return its exit status and what it wrote to stderr."""
        async with asyncio.timeout(LIMIT):
            _, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


@asynccontextmanager
async def running(*words: str) -> AsyncGenerator[Running]:
    """Run the program for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "tunnel",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(BROWSER="", DISPLAY="", WAYLAND_DISPLAY=""),
    )
    made = Running(process)
    try:
        yield made
    finally:
        if process.returncode is None:
            process.kill()
            await made.ended()


async def test_forwards_stay_until_they_are_interrupted() -> None:
    here_port, back = free_port(), free_port()
    async with (
        program(echo) as port,
        running("demo", "forward", f"web={here_port}:{port}", "-R", f"{back}:127.0.0.1:{port}") as ran,
    ):
        lines = {await ran.line(), await ran.line()}
        assert lines == {
            f"web: 127.0.0.1:{here_port} leads to port {port} of demo",
            f"remote {back}: port {back} of demo leads to port {port} here",
        }
        assert await asked(here_port, b"there") == b"there"
        assert await asked(back, b"back") == b"back"
        ran.process.send_signal(signal.SIGINT)
        status, err = await ran.ended()
        assert (status, err.strip()) == (128 + signal.SIGINT, "")
        with pytest.raises(ConnectionRefusedError):
            await asked(here_port, b"")


async def test_a_tunnel_is_reported_as_json_with_its_note_and_its_trouble() -> None:
    nobody = free_port()
    async with program(echo) as taken, running("demo", "forward", f"{taken}:{nobody}", "--json") as ran:
        first = json.loads(await ran.line())
        assert (first["schema"], first["box"], first["tunnel"]) == (1, "demo", str(nobody))
        assert (first["phase"], first["reason"]) == ("open", None)
        assert first["address"] == f"127.0.0.1:{first['port']}" != f"127.0.0.1:{taken}"
        assert first["note"].startswith(f"port {taken} of this machine is taken by ")
        later = json.loads(await ran.line())
        assert later["note"] == first["note"]
        assert later["reason"]["title"] == "Nothing listens on the box"


async def test_when_no_tunnel_can_be_opened_the_program_ends() -> None:
    async with program(echo) as taken, running("demo", "forward", f"remote:{taken}:1") as ran:
        assert (await ran.line()).startswith(f"remote {taken}: failed")
        status, err = await ran.ended()
        assert status == 1
        assert err.startswith("demo: Port taken on the box")


async def test_a_service_that_is_not_there_is_named_with_those_that_are() -> None:
    async with running("demo", "open", "no-such-thing") as ran:
        status, err = await ran.ended()
        assert status == 1
        assert "no-such-thing" in err


async def test_a_port_is_opened_where_it_is_expected() -> None:
    at = free_port()
    async with program(echo) as port, running("demo", "open", str(port), "--at", str(at), "--json") as ran:
        opened = json.loads(await ran.line())
        assert (opened["port"], opened["target_port"]) == (at, port)
        assert await asked(at, b"hello") == b"hello"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("forward", "1:2:3:4"), "Not a tunnel"),
        (("forward", "-L", "x"), "Not a tunnel"),
        (("forward",), "Nothing to open"),
        (("open", "99999"), "Not a tunnel"),
        (("open", "80", "--at", "0"), "0 is not in the range"),
        (("shut",), "No such command"),
    ],
)
def test_wrong_words_end_with_two(words: tuple[str, ...], said: str) -> None:
    ran = here("tunnel", "demo", *words)
    assert ran.status == 2
    assert said in ran.err


async def test_without_words_the_tunnels_of_the_settings_are_opened(home: Path) -> None:
    folder = home / ".config" / "gpubox-tui"
    folder.mkdir(parents=True)
    (folder / "gpubox.toml").write_text(
        '[[box]]\nname = "attic"\nhost = "127.0.0.1"\nport = 1\ntunnels = ["8888"]\n'
    )
    async with running("attic", "forward") as ran:
        status, err = await ran.ended()  # it tries, and nobody listens there
        assert status == 1
        assert "attic: " in err


def test_what_json_has_of_a_tunnel() -> None:
    tunnel = Tunnel(
        1,
        "x",
        Forward(Direction.LOCAL, path="/run/x"),
        TunnelPhase.FAILED,
        reason=RemoteError("a", "b", "c"),
        traffic=Traffic(sent=1, received=2, refused=3),
    )
    assert to_json(tunnel) == {
        "tunnel": "x",
        "phase": "failed",
        "way": "local",
        "port": None,
        "address": None,
        "host": None,
        "target_port": None,
        "path": "/run/x",
        "note": None,
        "reason": {"title": "a", "text": "b", "hint": "c"},
        "sent": 1,
        "received": 2,
        "refused": 3,
    }


async def test_a_port_that_is_taken_here_is_reported_with_its_holder_and_with_what_to_do() -> None:
    async with program(echo) as port, running("demo", "open", str(port)) as ran:
        line = await ran.line()
        assert f"(port {port} of this machine is taken by " in line
        assert f"({os.getpid()}); " in line
        assert line.endswith(" is used instead; --at PORT chooses another)")
