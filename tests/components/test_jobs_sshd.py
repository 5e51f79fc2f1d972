"""Jobs and files over OpenSSH's own sshd: they outlive links and sessions, and lose and double nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import resource
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.files.transfer import Files
from gpubox.boxes.jobs import completion
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.commands.retry import retry
from gpubox.core.channels import Channels
from gpubox.core.job import JobSpec
from gpubox.core.prompts import Nobody
from gpubox.core.record import Record
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.link import SshLink
from gpubox.ssh.shell import SshShell
from tests.commands.box_jobs import job_folders
from tests.components.desk import Desk
from tests.components.servers import Server, end, sshd
from tests.hang import LIMIT
from tests.process_tree import children
from tests.ssh.fakes import QUICK, alive, settled
from tests.ssh.wire import wire

HOSTILE = (
    "", " ", "two  words", "new\nline", "$(touch hit)", "`touch hit`", "'", '"', "\\", "-rf", "--", "*",
    "🧪 ä", "!", "%s", ";touch hit", "a'b\"c\\d", "\t", "~", "{x}", "#", "\x01",
)  # fmt: skip


def channels_of(shell: Shell) -> Channels:
    assert isinstance(shell, SshShell)
    return SshChannels(shell)


@pytest.fixture
def variables(tmp_path: Path) -> Generator[dict[str, str]]:
    with job_folders(tmp_path / "jobs") as made:
        yield made


@asynccontextmanager
async def boxed(
    desk: Desk, server: Server, variables: dict[str, str], *, port: int = 0, limit: float = LIMIT
) -> AsyncGenerator[Box]:
    """Keep a box over a server, unread; with `port` through something that leads to the server."""
    desk.trust(server)
    expected = desk.expected(port=port or server.port, identity=str(desk.identity))
    if port:
        (desk.folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
    link = SshLink("box", expected, Nobody(), QUICK)
    context = BoxContext(Target("box", "ssh"), python=sys.executable, environment=variables)
    box = Box(context, link, channels_of)
    task = asyncio.create_task(box.keep(Purpose.COMMAND))
    try:
        async with asyncio.timeout(limit):
            await settled(lambda: box.channels.value)
            yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


def spec(*argv: str, job: str = "", name: str = "", cwd: str = "") -> JobSpec:
    return JobSpec(id=job or new_id(), argv=argv, name=name, cwd=cwd)


async def ended(box: Box, job: str) -> Record:
    """Wait for the end of a job."""
    while True:
        record = await box.use(Jobs).show(job)
        if record.state == "ended":
            return record
        await asyncio.sleep(0.05)


async def log_of(box: Box, job: str) -> bytes:
    async with box.use(Jobs).follow(job, 0) as stream:
        pieces: list[bytes] = []
        while piece := await stream.read():
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("shell", ["bash", "fish", "tcsh"])
async def test_the_job_sees_exactly_its_words_behind_every_login_shell(
    desk: Desk, tmp_path: Path, variables: dict[str, str], shell: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folder = home / "a 'folder' $(touch hit)\n🧪"
    folder.mkdir()
    script = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), os.environ['ODD']]))"
    given = JobSpec(
        id=new_id(),
        argv=(sys.executable, "-c", script, *HOSTILE),
        name="$(touch hit)\n'",
        cwd=str(folder),
        environment={"ODD": "".join(HOSTILE)},
    )
    async with (
        sshd(tmp_path / "box", desk.public, home=home, shell=shell) as server,
        boxed(desk, server, variables) as box,
    ):
        await box.use(Jobs).launch(given)
        seen = json.loads(await log_of(box, given.id))
        assert seen == [list(HOSTILE), str(folder), "".join(HOSTILE)]
        await box.use(Jobs).look()
        assert box.use(Jobs).named("$(touch hit)\n'").id == given.id
    assert "hit" not in contents(home)


async def test_a_job_goes_on_when_link_and_session_die_and_another_client_reads_its_end(
    desk: Desk, tmp_path: Path, variables: dict[str, str]
) -> None:
    go = tmp_path / "go"
    script = f"while ! [ -e '{go}' ]; do sleep 0.05; done; echo on its own; exit 42"
    async with sshd(tmp_path / "box", desk.public) as server:
        async with boxed(desk, server, variables) as box:
            begun = await box.use(Jobs).launch(spec("sh", "-c", script))
            sessions = [one for child in children(server.process.pid) for one in (*children(child), child)]
            assert sessions
            for pid in sessions:
                end(pid)
        await settled(lambda: not any(map(alive, sessions)))
        assert begun.supervisor is not None
        assert begun.main is not None
        assert alive(begun.main.pid)
        go.touch()
        async with boxed(desk, server, variables) as other:
            record = await ended(other, begun.id)
            assert record.ending is not None
            assert (record.ending.how, record.ending.code) == ("exit", 42)
            assert await log_of(other, begun.id) == b"on its own\n"
        await settled(lambda: not alive(begun.supervisor.pid) if begun.supervisor else True)


async def test_the_same_spec_sent_again_and_again_through_cuts_starts_one_job(
    desk: Desk, tmp_path: Path, variables: dict[str, str]
) -> None:
    marks = tmp_path / "marks"
    given = spec("sh", "-c", f"echo x >> '{marks}'; sleep 0.3")
    async with (
        sshd(tmp_path / "box", desk.public) as server,
        wire(server.port) as way,
        boxed(desk, server, variables, port=way.port) as box,
    ):
        await box.use(Jobs).look()  # the program is there: from here on each launch is one line
        chance = random.Random(3)
        for cut in range(8):
            before = way.accepted
            launching = asyncio.create_task(completion.launch(box.use(Jobs), box.shell, given))
            await asyncio.sleep(chance.random() * 0.1)  # any moment of the launch
            way.cut()
            await launching
            await settled(lambda: way.accepted > before or cut)  # noqa: B023
            await settled(lambda: box.shell.value)
        # The last cut may not have been noticed yet.
        await retry(box, lambda: ended(box, given.id))
        assert marks.read_text() == "x\n"
        assert len(await retry(box, box.use(Jobs).look)) == 1


async def test_twenty_cuts_of_the_link_leave_a_log_of_random_bytes_whole(
    desk: Desk, tmp_path: Path, variables: dict[str, str]
) -> None:
    cuts = 20
    script = (
        "import os, random, time\nr = random.Random(5)\n"
        "for _ in range(400):\n    os.write(1, r.randbytes(r.randrange(1, 60000))); time.sleep(0.01)\n"
    )
    chance = random.Random(9)
    async with (
        sshd(tmp_path / "box", desk.public) as server,
        wire(server.port) as way,
        boxed(desk, server, variables, port=way.port) as box,
    ):
        begun = await box.use(Jobs).launch(spec(sys.executable, "-c", script))
        digest, size, left, cut = hashlib.sha256(), 0, cuts, 0
        next_cut = chance.randrange(400_000)
        async with box.use(Jobs).follow(begun.id, 0) as stream:
            while piece := await stream.read():
                digest.update(piece)
                size += len(piece)
                assert stream.offset == size
                if left and size >= next_cut and way.accepted > cut:  # each link is cut once
                    left, cut = left - 1, way.accepted
                    next_cut = size + chance.randrange(1, 500_000)
                    way.cut()
        assert left == 0
        assert way.accepted > cuts
        log = Path((await box.use(Jobs).show(begun.id)).folder) / "log"
        assert digest.hexdigest() == hashlib.sha256(log.read_bytes()).hexdigest()


async def test_stop_ends_the_whole_tree(desk: Desk, tmp_path: Path, variables: dict[str, str]) -> None:
    pids = tmp_path / "pids"
    script = (
        f"trap '' TERM; setsid sh -c \"trap '' TERM; echo \\$\\$ >> '{pids}'; sleep 60\" & "
        f"echo $$ >> '{pids}'; sleep 60"
    )
    given = JobSpec(id=new_id(), argv=("sh", "-c", script), grace=0.3)
    async with sshd(tmp_path / "box", desk.public) as server, boxed(desk, server, variables) as box:
        await box.use(Jobs).launch(given)
        await settled(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        await box.use(Jobs).stop(given.id)
        record = await ended(box, given.id)
        assert record.ending is not None
        assert (record.ending.how, record.ending.signal) == ("stopped", "KILL")
        assert not any(alive(int(pid)) for pid in pids.read_text().split())


async def test_two_sessions_are_enough_to_follow_and_to_ask(
    desk: Desk, tmp_path: Path, variables: dict[str, str]
) -> None:
    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 2") as server,
        boxed(desk, server, variables) as box,
    ):
        begun = await box.use(Jobs).launch(spec("sh", "-c", "echo one; sleep 60"))
        async with box.use(Jobs).follow(begun.id, 0) as stream:
            assert await stream.read() == b"one\n"
            assert (await box.use(Jobs).show(begun.id)).state == "running"
            await box.use(Jobs).stop(begun.id)
            assert await stream.read() == b""


async def test_a_large_log_is_read_with_flat_memory(
    desk: Desk, tmp_path: Path, variables: dict[str, str]
) -> None:
    size = 128 << 20
    async with sshd(tmp_path / "box", desk.public) as server, boxed(desk, server, variables) as box:
        begun = await box.use(Jobs).launch(spec("head", "-c", str(size), "/dev/zero"))
        await ended(box, begun.id)
        got, slow = 0, 0
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with box.use(Jobs).follow(begun.id, 0) as stream:
            while piece := await stream.read():
                got += len(piece)
                if slow < 20:  # a reader that is slow at first: what is sent meanwhile waits on the box
                    slow += 1
                    await asyncio.sleep(0.02)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert got == size
    assert grown < 24 << 10  # KiB


async def test_files_go_both_ways_through_cuts(desk: Desk, tmp_path: Path, variables: dict[str, str]) -> None:
    here, there = tmp_path / "here", tmp_path / "there $(x)"
    chance = random.Random(4)
    for folder in (here, there):
        folder.mkdir()
    for number, name in enumerate(name for name in HOSTILE if name.strip() and name != "~"):
        (here / name.replace("/", "_")).write_bytes(chance.randbytes(1000 * number))
    (here / "big").write_bytes(chance.randbytes(20_000_000))
    async with (
        sshd(tmp_path / "box", desk.public) as server,
        wire(server.port) as way,
        boxed(desk, server, variables, port=way.port) as box,
    ):
        for copying in (
            lambda: box.use(Files).put([str(here)], f"{there}/"),
            lambda: box.use(Files).get([str(there / "here")], f"{tmp_path / 'back'}/"),
        ):
            task = asyncio.create_task(copying())
            for _ in range(5):
                before = way.passed
                await settled(lambda: way.passed > before + 3_000_000 or task.done())  # noqa: B023
                if not task.done():
                    way.cut()
            await task
        for name in contents(here):
            assert (there / "here" / name).read_bytes() == (here / name).read_bytes(), name
            assert (tmp_path / "back" / "here" / name).read_bytes() == (here / name).read_bytes(), name


def contents(folder: Path) -> Sequence[str]:
    return [path.name for path in folder.iterdir()]
