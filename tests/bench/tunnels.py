"""Tunnels beside `ssh -L`: how fast they are, how soon they open, and what the panel feels of them.

`python -m tests.bench.tunnels` measures these alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.boxes.tunnels.tunnel import TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.config.settings import SshSettings
from gpubox.core.channels import Channels, Direction, Forward
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.host_spec import HostSpec
from gpubox.ssh.link import SshLink
from gpubox.ssh.shell import SshShell
from tests.bench.machine import Machine, machine
from tests.bench.proxy import network
from tests.bench.table import Row, lines
from tests.fake_nvml.build import build

MIB = 1024 * 1024
SIZE = 200 * MIB
"""Bytes of one transfer: a second or so."""

# The far end: pours or swallows as the first byte says. What is sent does not compress.
_FAR = f"""
import os, socket, threading
made = socket.create_server(("127.0.0.1", 0)); print(made.getsockname()[1], flush=True)
piece = os.urandom({MIB})
def serve(one):
    with one:
        if one.recv(1) == b"d":
            for _ in range({SIZE // MIB}): one.sendall(piece)
        else:
            while one.recv(262144): pass
            one.sendall(b"k")
while True: threading.Thread(target=serve, args=(made.accept()[0],), daemon=True).start()
"""
# The near end: prints the seconds that a transfer took.
_NEAR = f"""
import os, socket, sys, time
piece = os.urandom({MIB}); one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
began = time.monotonic()
one.sendall(sys.argv[2].encode())
if sys.argv[2] == "d":
    size = 0
    while data := one.recv(262144): size += len(data)
    assert size == {SIZE}, size
else:
    for _ in range({SIZE // MIB}): one.sendall(piece)
    one.shutdown(socket.SHUT_WR); assert one.recv(1) == b"k"
print(time.monotonic() - began)
"""


@dataclass(frozen=True)
class Speed:
    """Bytes a second, both ways."""

    down: float
    up: float


async def transfer(port: int) -> Speed:
    """Return how fast a port of this machine gives and takes."""
    took: list[float] = []
    for direction in ("d", "u"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _NEAR, str(port), direction, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        took.append(float(out))
    return Speed(SIZE / took[0], SIZE / took[1])


@asynccontextmanager
async def far_end() -> AsyncGenerator[int]:
    """Run the far end; yields its port."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _FAR, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def openssh(box: Machine, port: int) -> AsyncGenerator[int]:
    """Forward a port by `ssh -N -L`, with its own defaults; yields the local port."""
    local = port + 1 if port < 65000 else port - 1
    process = await asyncio.create_subprocess_exec(
        "ssh", "-F", box.folder / "ssh_config", "-N", "-p", str(box.port),
        "-L", f"127.0.0.1:{local}:127.0.0.1:{port}", f"{box.user}@127.0.0.1",
    )  # fmt: skip
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", local)
                writer.close()
                break
            await asyncio.sleep(0.05)  # ssh has no sign for "it listens"
        yield local
    finally:
        process.terminate()
        await process.wait()


def _channels(shell: Shell) -> Channels:
    assert isinstance(shell, SshShell)
    return SshChannels(shell)


@asynccontextmanager
async def saved(machine: Machine, port: int = 0) -> AsyncGenerator[Box]:
    """Keep a box, with its probe, as the panel does."""
    trusted = machine.folder / "trusted"
    trusted.write_text(f"* {(machine.folder / 'host_key.pub').read_text()}")
    expected = HostSpec(
        "127.0.0.1",
        user=machine.user,
        port=port or machine.port,
        identity=str(machine.folder / "key"),
        config_file=machine.folder / "ssh_config",
        known_hosts=trusted,
    )
    box = Box(BoxContext(Target("box", "ssh")), SshLink("box", expected, Nobody(), SshSettings()), _channels)
    task = asyncio.create_task(box.keep())
    try:
        async with asyncio.timeout(30):
            while box.sample.value is None:  # noqa: ASYNC110 - either may come first
                await asyncio.sleep(0.01)
        yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Lag:
    """Watches how late this program's own event loop is, as a key would feel it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def watch(self) -> None:
        """Note each delay, until cancelled."""
        while True:
            due = time.monotonic() + 0.05
            await asyncio.sleep(0.05)  # how late this ends is what is measured
            self.seconds.append(time.monotonic() - due)


async def speed(box: Machine, rounds: int) -> list[Row]:
    """Measure a tunnel and `ssh -L` in turns, and the lag and the heartbeat of the panel meanwhile."""
    ours: list[Speed] = []
    theirs: list[Speed] = []
    lag = Lag()
    async with far_end() as port, openssh(box, port) as beside, saved(box) as panel:
        tunnel = await panel.use(Tunnels).open(Forward(Direction.LOCAL, port=port))
        for _ in range(rounds):
            theirs.append(await transfer(beside))
            watching = asyncio.create_task(lag.watch())
            ours.append(await transfer(tunnel.port))
            watching.cancel()
        heartbeat = panel.rtt
    rows: list[Row] = []
    for what, mine, other in (
        ("from", _middle(one.down for one in ours), _middle(one.down for one in theirs)),
        ("to", _middle(one.up for one in ours), _middle(one.up for one in theirs)),
    ):
        note = f"ours {mine / MIB:.0f} MiB/s, ratio {mine / other:.2f}; at least 0.7 is wanted"
        rows.append(
            Row(f"tunnel {what} the box: seconds for 1 GiB", "s", 1024 * MIB / mine, 1024 * MIB / other / 0.7,
                {"ssh -L": 1024 * MIB / other}, note)
        )  # fmt: skip
    late = sorted(lag.seconds)
    rows.append(Row("a key meanwhile waits, p99", "ms", 1000 * late[int(0.99 * (len(late) - 1))], 50.0))
    rows.append(Row("heartbeat right after", "ms", None if heartbeat is None else 1000 * heartbeat))
    return rows


def _middle(values: Iterable[float]) -> float:
    return statistics.median(list(values))


async def opening(box: Machine, times: int) -> list[Row]:
    """Measure how long a tunnel and a command take on the open link."""
    async with far_end() as port, saved(box) as panel:
        tunnels: list[float] = []
        commands: list[float] = []
        shell = panel.shell.value
        assert shell is not None
        for _ in range(times):
            began = time.monotonic()
            await shell.run("true")
            commands.append(time.monotonic() - began)
        for number in range(times):
            began = time.monotonic()
            await panel.use(Tunnels).open(Forward(Direction.LOCAL, port=port), f"tunnel{number}")
            tunnels.append(time.monotonic() - began)
    return [
        Row("open a tunnel on the open link", "ms", 1000 * statistics.median(tunnels), 10.0),
        Row("run a command on the open link", "ms", 1000 * statistics.median(commands), 20.0),
    ]


async def cutting(box: Machine, seconds: float) -> list[Row]:
    """Cut the link of ten tunnels every few seconds, and count those that come back on the same port."""
    async with far_end() as port, network(box.port) as way, saved(box, way.port) as panel:
        for number in range(10):
            panel.use(Tunnels).add(Forward(Direction.LOCAL, port=port), f"tunnel{number}")
        await _all_open(panel)
        ports = [one.port for one in panel.use(Tunnels).feed.value]
        took: list[float] = []
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await asyncio.sleep(3)
            way.cut()
            way.repair()
            began = time.monotonic()
            await _all_lost(panel)
            await _all_open(panel)
            took.append(time.monotonic() - began)
            assert [one.port for one in panel.use(Tunnels).feed.value] == ports
    return [
        Row("ten tunnels back on their ports after a cut, worst", "s", max(took), 3.0,
            note=f"{len(took)} cuts in {seconds:.0f} s, all back each time")
    ]  # fmt: skip


async def _all_lost(panel: Box) -> None:
    async with asyncio.timeout(30):
        async for tunnels in panel.use(Tunnels).feed.follow():
            if any(one.phase is not TunnelPhase.OPEN for one in tunnels):
                return


async def _all_open(panel: Box) -> None:
    async with asyncio.timeout(60):
        async for tunnels in panel.use(Tunnels).feed.follow():
            if all(one.phase is TunnelPhase.OPEN for one in tunnels):
                return


async def measure(box: Machine, rounds: int = 3, seconds: float = 60.0) -> list[Row]:
    """Measure everything about tunnels on one box."""
    return [*await opening(box, 15), *await speed(box, rounds), *await cutting(box, seconds)]


async def _alone() -> None:
    with tempfile.TemporaryDirectory(prefix="gpubox-bench-") as name:
        folder = Path(name)
        place = folder / "box"
        place.mkdir()
        async with machine(place, build(folder)) as box:
            print("\n".join(lines(await measure(box))))


if __name__ == "__main__":
    asyncio.run(_alone())
