"""The link against OpenSSH's own sshd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpubox.config.settings import Ssh
from gpubox.core.ask import Nobody
from gpubox.core.errors import AuthFailed, GpuBoxError, RemoteError, Unreachable
from gpubox.core.health import Phase
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import Wanted
from tests.components.servers import USER, Server, agent, children, end, new_key, sshd
from tests.ssh.fakes import QUICK, Person, idle, kept, phase, settled


@dataclass
class Desk:
    """The person's side: a folder with keys and a configuration."""

    folder: Path
    public: str
    """The public line of the folder's own key."""

    @property
    def identity(self) -> Path:
        return self.folder / "id"

    def trust(self, *servers: Server) -> None:
        (self.folder / "known_hosts").write_text("".join(server.known_hosts for server in servers))

    def configure(self, text: str) -> None:
        (self.folder / "config").write_text(text)

    def wanted(self, host: str = "127.0.0.1", port: int = 0, identity: str = "") -> Wanted:
        return Wanted(
            host,
            port=port,
            identity=identity,
            config_file=self.folder / "config",
            known_hosts=self.folder / "known_hosts",
        )

    def link(self, server: Server) -> SshLink:
        """A link with the folder's own key."""
        self.trust(server)
        return SshLink("box", self.wanted(port=server.port, identity=str(self.identity)), Nobody(), QUICK)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / "desk"
    folder.mkdir()
    made = Desk(folder, new_key(folder / "id"))
    made.configure("")
    return made


@asynccontextmanager
async def working(link: SshLink, check: Callable[[Shell], Awaitable[None]]) -> AsyncGenerator[None]:
    """Keep a link whose work is a check; the block ends when it did, and raises what it raised."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(shell: Shell) -> None:
        try:
            await check(shell)
        except (AssertionError, GpuBoxError) as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)

    async with kept(link, work), asyncio.timeout(30):
        yield
        await done


async def test_a_key_logs_in_and_commands_run(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        result = await shell.run("echo hello; echo oops >&2; exit 3")
        assert (result.stdout, result.stderr, result.status) == (b"hello\n", b"oops\n", 3)
        assert (await shell.run("cat", stdin=b"x" * 300_000)).stdout == b"x" * 300_000
        assert (await shell.run("kill -TERM $$")).signal == "TERM"

    async with sshd(tmp_path / "box", desk.public) as server, working(desk.link(server), check):
        pass


async def test_two_sessions_are_enough_for_a_stream_and_many_commands(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("cat") as channel:
            results = await asyncio.gather(*(shell.run(f"echo {number}") for number in range(6)))
            assert [result.stdout for result in results] == [b"%d\n" % number for number in range(6)]
            await channel.write(b"still here\n")
            assert await channel.read_line(100) == b"still here\n"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 2") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_when_no_session_becomes_free_the_words_name_maxsessions(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("cat"):
            with pytest.raises(RemoteError) as raised:
                await shell.run("true", timeout=0.5)
        assert "MaxSessions" in raised.value.hint
        assert (await shell.run("echo free")).stdout == b"free\n"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 1") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_a_box_without_sessions_says_so(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        with pytest.raises(RemoteError) as raised:
            await shell.run("true")
        assert raised.value.title == "No further session"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 0") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_a_cancelled_command_does_not_use_up_a_session(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        for turns in range(12):
            task = asyncio.ensure_future(shell.run("sleep 0.3"))
            for _ in range(turns):
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await shell.run("echo free")).stdout == b"free\n"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 2") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_a_killed_session_comes_back(desk: Desk, tmp_path: Path) -> None:
    begun: list[Shell] = []

    async def work(shell: Shell) -> None:
        begun.append(shell)

    async with sshd(tmp_path / "box", desk.public) as server, kept(desk.link(server), work) as link:
        await settled(lambda: begun)
        for child in children(server.process.pid):
            for grandchild in (*children(child), child):
                end(grandchild)
        health = await phase(link, Phase.WAITING)
        await settled(lambda: len(begun) == 2)
    assert health.reason is not None
    assert health.reason.title == "Link lost"


@pytest.mark.parametrize("named", [True, False])
async def test_of_a_full_agent_the_named_key_is_offered_first(
    desk: Desk, tmp_path: Path, named: bool
) -> None:
    others = [desk.folder / f"other{number}" for number in range(8)]
    for other in others:
        new_key(other)
    async with (
        sshd(tmp_path / "box", desk.public) as server,
        agent(tmp_path, *others, desk.identity) as socket,
    ):
        desk.trust(server)
        # The .pub alone tells which key of the agent is meant.
        public = desk.folder / "id.pub"
        desk.configure(f"IdentityAgent {socket}\n" + (f"IdentityFile {public}\n" if named else ""))
        async with kept(SshLink("box", desk.wanted(port=server.port), Nobody(), QUICK)) as link:
            health = await phase(link, Phase.LIVE if named else Phase.REFUSED)
    assert named or isinstance(health.reason, AuthFailed)
    assert named or (health.reason and health.reason.title == "Too many keys offered")
    assert named or (health.reason and "other0" in health.reason.text)


async def test_an_agent_that_is_gone_is_no_trouble(desk: Desk, tmp_path: Path) -> None:
    desk.configure(f"IdentityAgent {tmp_path}/nobody\n")
    async with sshd(tmp_path / "box", desk.public) as server, kept(desk.link(server)) as link:
        await phase(link, Phase.LIVE)


async def test_a_certificate_of_ssh_keygen_logs_in(desk: Desk, tmp_path: Path) -> None:
    authority = new_key(tmp_path / "authority")
    trusted = tmp_path / "trusted"
    trusted.write_text(authority)
    signing = await asyncio.create_subprocess_exec(
        "ssh-keygen", "-q", "-s", str(tmp_path / "authority"), "-I", "me", "-n", USER, f"{desk.identity}.pub"
    )
    assert await signing.wait() == 0
    async with (
        sshd(tmp_path / "box", extra=f"TrustedUserCAKeys {trusted}") as server,
        kept(desk.link(server)) as link,
    ):
        await phase(link, Phase.LIVE)


async def test_match_include_and_two_hops_are_followed(desk: Desk, tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def check(shell: Shell) -> None:
        seen.append((await shell.run("echo $SSH_CONNECTION")).stdout)

    async with (
        sshd(tmp_path / "first", desk.public) as first,
        sshd(tmp_path / "second", desk.public) as second,
        sshd(tmp_path / "box", desk.public) as box,
    ):
        desk.trust(first, second, box)
        more = desk.folder / "more"
        more.write_text(
            f"Host box\n  HostName 127.0.0.1\n  Port {box.port}\n  ProxyJump second\n"
            f"Host second\n  HostName 127.0.0.1\n  Port {second.port}\n"
            f"Match originalhost second\n  ProxyJump 127.0.0.1:{first.port}\n"
        )
        desk.configure(f"Include {more}\nHost *\n  IdentityFile {desk.identity}\n  IdentityFile /missing\n")
        link = SshLink("box", desk.wanted("box"), Nobody(), QUICK)
        async with working(link, check):
            await phase(link, Phase.LIVE)
            assert link.connection is not None
            assert [hop.where.port for hop in link.connection.hops] == [first.port, second.port]
    assert seen[0].split()[-1] == b"%d" % box.port


async def test_a_jump_host_that_forbids_forwarding_is_named(desk: Desk, tmp_path: Path) -> None:
    async with (
        sshd(tmp_path / "first", desk.public, extra="AllowTcpForwarding no") as first,
        sshd(tmp_path / "box", desk.public) as box,
    ):
        desk.trust(first, box)
        desk.configure(
            f"Host box\n  HostName 127.0.0.1\n  Port {box.port}\n  ProxyJump 127.0.0.1:{first.port}\n"
            f"Host *\n  IdentityFile {desk.identity}\n"
        )
        async with kept(SshLink("box", desk.wanted("box"), Nobody(), QUICK)) as link:
            health = await phase(link, Phase.WAITING)
    assert isinstance(health.reason, Unreachable)
    assert health.reason.title == "The jump host forbids it"


@pytest.mark.parametrize("works", [True, False])
async def test_a_proxy_command_is_the_way_and_its_complaint_is_told(
    desk: Desk, tmp_path: Path, works: bool
) -> None:
    async with sshd(tmp_path / "box", desk.public) as first:
        desk.trust(first)
        command = (
            f"echo noise >&2; exec ssh -F {desk.folder}/inner -W 127.0.0.1:%p hop"
            if works
            else "echo no such proxy >&2; exit 1"
        )
        (desk.folder / "inner").write_text(
            f"Host hop\n  HostName 127.0.0.1\n  Port {first.port}\n  User {USER}\n"
            f"  IdentityFile {desk.identity}\n  UserKnownHostsFile {desk.folder}/known_hosts\n"
        )
        desk.configure(f"IdentityFile {desk.identity}\nProxyCommand sh -c '{command}'\n")
        wanted = desk.wanted(port=first.port)
        async with kept(SshLink("box", wanted, Nobody(), QUICK)) as link:
            health = await phase(link, Phase.LIVE if works else Phase.WAITING)
    assert works or (health.reason and "ProxyCommand says: no such proxy" in health.reason.text)


async def test_a_locked_key_is_opened_by_its_passphrase(desk: Desk, tmp_path: Path) -> None:
    public = new_key(desk.folder / "locked", passphrase="open sesame")
    person = Person({"Passphrase": "open sesame"})
    async with sshd(tmp_path / "box", public) as server:
        desk.trust(server)
        wanted = desk.wanted(port=server.port, identity=str(desk.folder / "locked"))
        async with kept(SshLink("box", wanted, person, QUICK)) as link:
            await phase(link, Phase.LIVE)
    assert "locked is locked by a passphrase" in person.asked[0].text


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_other_kinds_of_key_log_in(desk: Desk, tmp_path: Path, kind: str) -> None:
    public = new_key(desk.folder / kind, kind=kind)
    async with sshd(tmp_path / "box", public) as server:
        desk.trust(server)
        wanted = desk.wanted(port=server.port, identity=str(desk.folder / kind))
        async with kept(SshLink("box", wanted, Nobody(), QUICK)) as link:
            await phase(link, Phase.LIVE)


async def test_thirty_links_at_once_get_past_maxstartups(desk: Desk, tmp_path: Path) -> None:
    async with sshd(tmp_path / "box", desk.public) as server:
        links = [desk.link(server) for _ in range(30)]
        tasks = [asyncio.create_task(link.keep(idle)) for link in links]
        for link in links:
            await phase(link, Phase.LIVE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unfinished_login(port: int) -> asyncio.StreamWriter:
    """Begin a login that sshd counts, once those that came before are over."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if (await reader.readline()).startswith(b"SSH-2"):
            return writer
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_drops_logins_is_tried_again(desk: Desk, tmp_path: Path) -> None:
    # `MaxStartups 1:100:1` drops every login beside an unfinished one.
    async with sshd(tmp_path / "box", desk.public, extra="MaxStartups 1:100:1") as server:
        writer = await unfinished_login(server.port)
        async with kept(desk.link(server)) as link:
            health = await phase(link, Phase.WAITING)
            writer.close()
            await phase(link, Phase.LIVE)
    assert isinstance(health.reason, Unreachable)
    assert "MaxStartups" in health.reason.hint


async def test_only_modern_key_exchange_is_enough(desk: Desk, tmp_path: Path) -> None:
    extra = "KexAlgorithms curve25519-sha256\nCiphers chacha20-poly1305@openssh.com"
    async with sshd(tmp_path / "box", desk.public, extra=extra) as server, kept(desk.link(server)) as link:
        await phase(link, Phase.LIVE)


async def test_no_common_algorithm_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.configure("Ciphers aes128-ctr\n")
    extra = "Ciphers aes256-ctr"
    async with sshd(tmp_path / "box", desk.public, extra=extra) as server, kept(desk.link(server)) as link:
        health = await phase(link, Phase.REFUSED)
    assert health.reason is not None
    assert health.reason.title == "No common algorithms"


async def test_a_user_who_may_not_log_in_is_told(desk: Desk, tmp_path: Path) -> None:
    async with (
        sshd(tmp_path / "box", desk.public, extra="AllowUsers somebody-else") as server,
        kept(desk.link(server)) as link,
    ):
        health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, AuthFailed)


async def test_the_link_is_back_soon_after_a_restart(desk: Desk, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with sshd(tmp_path / "box", desk.public) as server:
        desk.trust(server)
        wanted = desk.wanted(port=server.port, identity=str(desk.identity))
        async with kept(SshLink("box", wanted, Nobody(), Ssh())) as link:
            await phase(link, Phase.LIVE)
            await server.stop()
            await phase(link, Phase.WAITING, attempt=2)
            again = await asyncio.create_subprocess_exec(
                *server.command, stderr=asyncio.subprocess.DEVNULL, env=os.environ
            )
            server.process = again
            began = loop.time()
            await phase(link, Phase.LIVE)
            assert loop.time() - began < 5  # the benchmark measures it
