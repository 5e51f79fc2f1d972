"""From a box's name to an open, logged-in connection, hop by hop."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs

from gpubox.config.settings import Ssh
from gpubox.core.ask import Asker
from gpubox.core.errors import Cancelled, GpuBoxError
from gpubox.core.text import clean_bytes
from gpubox.ssh.auth import Login, Vault
from gpubox.ssh.client import Client
from gpubox.ssh.errors import Facts, Stage, explain
from gpubox.ssh.handshake import Handshake
from gpubox.ssh.host_key import Gate
from gpubox.ssh.reach import reach
from gpubox.ssh.resolve import Resolved, Wanted, resolve

UNANSWERED = 2
"""Keep-alives that may stay unanswered; the next one ends the link."""

_POLITE = 1.0
"""Seconds that a connection gets to end in order before it is cut."""

_FAILURES = (asyncssh.Error, OSError, ValueError)
"""All that asyncssh raises while connecting; TimeoutError is an OSError."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open login and the hops that carry it."""

    where: Resolved
    ssh: asyncssh.SSHClientConnection
    """The connection to the box itself."""
    client: Client
    hops: Sequence[asyncssh.SSHClientConnection]
    """Connections to the jump hosts, first hop first."""
    peer: tuple[str, int] | None
    """Address of the first machine on the way, when it was reached by TCP."""

    async def wait_closed(self) -> None:
        """Wait until the connection is gone, for whatever reason."""
        await self.ssh.wait_closed()

    async def close(self) -> None:
        """End the login and its hops; never raises, and takes a second or two at most."""
        await _close([*self.hops, self.ssh])


async def _close(connections: Sequence[asyncssh.SSHClientConnection]) -> None:
    for connection in reversed(connections):
        connection.close()
        try:
            async with asyncio.timeout(_POLITE):
                await connection.wait_closed()
        except TimeoutError:
            # A peer that went silent never takes what is still to be sent.
            connection.abort()
            await connection.wait_closed()


class Dialer:
    """Makes connections to one box, and remembers between them what the person said.

    `tell` is called with what is going on, and with the address once that is known.
    """

    def __init__(
        self, name: str, wanted: Wanted, asker: Asker, settings: Ssh, tell: Callable[[str, str], None]
    ) -> None:
        self.vault = Vault()
        self.stage = Stage.REACHING
        """How far the last attempt came."""
        self._tell = tell
        self._name = name
        self._wanted = wanted
        self._asker = asker
        self._settings = settings

    async def dial(self) -> Connection:
        """Return a new connection; raises GpuBoxError."""
        self.stage = Stage.REACHING
        self._tell("resolving", "")
        where = await resolve(self._wanted)
        opened: list[asyncssh.SSHClientConnection] = []
        client: Client | None = None
        try:
            for hop in (*where.jumps, where):
                before = opened[-1] if opened else None
                connection, client = await self._open(hop, where, before)
                opened.append(connection)
        except BaseException:
            await _close(opened)
            raise
        assert client is not None
        self.stage = Stage.LIVE
        return Connection(where, opened[-1], client, opened[:-1], _peer(opened[0]))

    async def _open(
        self, hop: Resolved, final: Resolved, before: asyncssh.SSHClientConnection | None
    ) -> tuple[asyncssh.SSHClientConnection, Client]:
        """Connect to one hop; a second time after the person accepted its key."""
        about = self._name if hop is final else f"{self._name} (through {hop.name})"
        gate = Gate(hop, about, self.vault)
        try:
            return await self._log_in(hop, about, gate, before)
        except asyncssh.HostKeyNotVerifiable:
            self._tell("asking about a new host key", hop.address)
            await gate.settle(self._asker)
        return await self._log_in(hop, about, Gate(hop, about, self.vault), before)

    async def _log_in(
        self, hop: Resolved, about: str, gate: Gate, before: asyncssh.SSHClientConnection | None
    ) -> tuple[asyncssh.SSHClientConnection, Client]:
        limit = hop.connect_timeout or self._settings.connect_timeout
        handshake = Handshake(f"{hop.host}:{hop.port}", limit, self._asker)
        login = Login(hop, about, self.vault, handshake.ask)
        client = Client(login, gate, lambda stage: self._reached(stage, hop))
        self._reached(Stage.REACHING, hop)
        with tempfile.TemporaryDirectory(prefix="gpubox-") as folder:
            complaints = Path(folder) / "proxy"
            try:
                async with handshake:
                    connection = await self._connect(hop, client, gate, handshake, before, complaints)
                return connection, client
            except asyncssh.HostKeyNotVerifiable as error:
                if gate.seen is not None:
                    raise
                raise self._explained(error, hop, about, login, client, before) from error
            except _FAILURES as error:
                if complaints.is_file() and (said := clean_bytes(complaints.read_bytes()[-300:], 200)):
                    login.trouble = f"ProxyCommand says: {said}"
                raise self._explained(error, hop, about, login, client, before) from error
            finally:
                await login.close()

    async def _connect(
        self,
        hop: Resolved,
        client: Client,
        gate: Gate,
        handshake: Handshake,
        before: asyncssh.SSHClientConnection | None,
        complaints: Path,
    ) -> asyncssh.SSHClientConnection:
        none: list[asyncssh.SSHKey] = []  # the gate decides about plain keys and authorities
        options = asyncssh.SSHClientConnectionOptions(
            config=None,
            client_factory=lambda: client,
            username=hop.user,
            known_hosts=(none, none, gate.revoked),
            host_key_alias=hop.host_key_alias or None,
            server_host_key_algs=gate.algorithms,
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            client_keys=None,
            agent_path=None,
            gss_host=None,
            host_based_auth=False,
            preferred_auth=list(hop.methods),
            compression_algs=["zlib@openssh.com", "zlib", "none"],
            connect_timeout=None,
            login_timeout=0,
            keepalive_interval=self._settings.keepalive,
            keepalive_count_max=UNANSWERED,
            **_chosen(hop),
        )
        if before is not None or hop.proxy_command:
            await handshake.connected()
            way = {"tunnel": before} if before is not None else {"proxy_command": _proxy(hop, complaints)}
            return await asyncssh.connect(hop.host, hop.port, options=options, **way)
        limit = hop.connect_timeout or self._settings.connect_timeout
        connected = await reach(hop.host, hop.port, limit)
        try:
            await handshake.connected()
        except BaseException:
            connected.close()
            raise
        return await asyncssh.connect(hop.host, hop.port, sock=connected, options=options)

    def _reached(self, stage: Stage, hop: Resolved) -> None:
        self.stage = stage
        steps = {
            Stage.REACHING: f"reaching {hop.host}",
            Stage.HANDSHAKE: f"shaking hands with {hop.host}",
            Stage.LOGIN: f"logging in as {hop.user}",
        }
        if stage in steps:
            self._tell(steps[stage], hop.address)

    def _explained(
        self,
        error: BaseException,
        hop: Resolved,
        about: str,
        login: Login,
        client: Client,
        before: asyncssh.SSHClientConnection | None,
    ) -> GpuBoxError:
        if login.declined and isinstance(error, asyncssh.PermissionDenied):
            return Cancelled(
                "Login cancelled", f"{hop.address} was not given what it asks for", "Press r to try again"
            )
        facts = Facts(
            box=about,
            address=hop.address,
            host=hop.host,
            port=hop.port,
            stage=self.stage,
            tried=login.tried,
            methods=list(client.methods),
            trouble=login.trouble,
            banner=client.banner,
            limit=hop.connect_timeout or self._settings.connect_timeout,
            through=str(before.get_extra_info("host", "")) if before is not None else "",
        )
        return explain(error, facts, hop.name)


def _peer(connection: asyncssh.SSHClientConnection) -> tuple[str, int] | None:
    with contextlib.suppress(TypeError, IndexError):
        address = connection.get_extra_info("peername")
        return str(address[0]), int(address[1])
    return None


def _proxy(hop: Resolved, complaints: Path) -> list[str]:
    # asyncssh takes what the command writes to stderr for ssh data, so it must not get there.
    return ["/bin/sh", "-c", f"exec 2>{shlex.quote(str(complaints))}; exec {hop.proxy_command}"]


def _chosen(hop: Resolved) -> dict[str, list[str] | str]:
    """Return the algorithms that a person chose, as far as asyncssh has them; aes128-gcm is its fastest."""
    ours: dict[str, list[str] | str] = {"encryption_algs": "^aes128-gcm@openssh.com"}
    for option, keyword, able in (
        ("encryption_algs", "ciphers", get_encryption_algs),
        ("kex_algs", "kexalgorithms", get_kex_algs),
        ("mac_algs", "macs", get_mac_algs),
    ):
        names = [name for name in (hop.chosen or {}).get(keyword, ()) if name.encode() in able()]
        if names:
            ours[option] = names
    return ours
