"""Commands, and the probe itself, behind the login shells that people have, with noisy rc files."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from gpubox.agent import bootstrap
from gpubox.agent.inflate import Inflater
from gpubox.agent.shell_samples import ShellSampleReader
from gpubox.config import settings
from gpubox.core.decode import LINE_LIMIT, decode
from gpubox.core.prompts import Nobody
from gpubox.core.sample import Sample
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import HostSpec
from tests.components.servers import Server, dropbear, new_key, sshd
from tests.hang import LIMIT
from tests.ssh.fakes import QUICK, running

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
RC_FILES = (".bashrc", ".profile", ".zshenv", ".zshrc", ".tcshrc", ".cshrc", ".config/fish/config.fish")
NOISE = "echo 'Welcome! 100% noisy'\necho 'and in red' >&2\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of which every rc file talks."""
    folder = tmp_path / "home"
    for name in RC_FILES:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(NOISE)
    return folder


def expected(folder: Path, server: Server) -> HostSpec:
    (folder / "known_hosts").write_text(server.known_hosts)
    (folder / "config").write_text("IdentityAgent none\n")
    return HostSpec(
        "127.0.0.1",
        port=server.port,
        identity=str(folder / "id"),
        config_file=folder / "config",
        known_hosts=folder / "known_hosts",
    )


async def first_sample(shell: Shell) -> tuple[str, Sample]:
    """Start the probe; return how it runs and its first sample."""
    mark = secrets.token_hex(8)
    async with shell.stream(bootstrap.command(mark, settings.ProbeSettings())) as channel:
        kind = await bootstrap.start(channel, mark)
        reader, unpacker = ShellSampleReader(), Inflater()
        while True:
            line = await channel.read_line(LINE_LIMIT)
            assert line, await channel.read_stderr()
            sample = decode(unpacker.line(line)) if kind == "python" else reader.feed(line)
            if sample is not None:
                return kind, sample


async def probed(link: SshLink) -> tuple[str, Sample]:
    """Do it over a link."""
    done: asyncio.Future[tuple[str, Sample]] = asyncio.get_running_loop().create_future()

    async def work(shell: Shell) -> None:
        try:
            answer = await first_sample(shell)
        except BaseException as error:
            if not done.done():
                done.set_exception(error)
            raise
        if not done.done():
            done.set_result(answer)

    async with running(link, work), asyncio.timeout(LIMIT):
        return await done


@pytest.mark.parametrize("shell", SHELLS)
async def test_the_probe_starts_behind_a_noisy_login_shell(tmp_path: Path, home: Path, shell: str) -> None:
    public = new_key(tmp_path / "id")
    async with sshd(tmp_path / "box", public, home=home, shell=shell) as server:
        link = SshLink("box", expected(tmp_path, server), Nobody(), QUICK)
        kind, sample = await probed(link)
        again, _ = await probed(link)
    assert (kind, again) == ("python", "python")
    assert sample.host.memory_total


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_plain_reading_comes_through_dropbear_where_there_is_no_python(
    tmp_path: Path, home: Path, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing that is named python can be started by what the server starts.
    monkeypatch.setenv("GPUBOX_TEST_HIDE", "python")
    public = new_key(tmp_path / "id")
    async with dropbear(tmp_path / "box", public, home, shell) as server:
        link = SshLink("box", expected(tmp_path, server), Nobody(), QUICK)
        kind, sample = await probed(link)
    assert kind == "sh"
    assert sample.host.memory_total


async def test_the_probe_comes_through_dropbear(tmp_path: Path, home: Path) -> None:
    public = new_key(tmp_path / "id")
    async with dropbear(tmp_path / "box", public, home, "bash") as server:
        link = SshLink("box", expected(tmp_path, server), Nobody(), QUICK)
        kind, sample = await probed(link)
    assert kind == "python"
    assert sample.host.memory_total
