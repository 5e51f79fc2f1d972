"""Connects and logs in to a box by its name, hop by hop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_default_public_key_algs

from gpubox.config.settings import SshSettings
from gpubox.core.errors import Cancelled, GpuBoxError
from gpubox.core.prompts import Asker
from gpubox.core.sanitize import clean_bytes
from gpubox.core.tasks import in_time
from gpubox.ssh.auth import LoginAttempt, LoginCache
from gpubox.ssh.callbacks import Client
from gpubox.ssh.errors import ConnectFacts, Stage, explain
from gpubox.ssh.handshake_limit import Handshake
from gpubox.ssh.host_key import HostKeyPolicy, not_had
from gpubox.ssh.proxy import Proxy, start
from gpubox.ssh.resolve import HostSpec, Resolved, resolve
from gpubox.ssh.tcp_connect import reach

UNANSWERED = 2
"""Keep-alives that may go unanswered; the next one ends the link."""

_POLITE = 1.0
"""Seconds that a connection gets for a clean close before it is aborted."""

_FAILURES = (asyncssh.Error, OSError, ValueError)
"""Everything that asyncssh raises while connecting; TimeoutError is an OSError."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One login on the path to the box; the last one is the box itself."""

    where: Resolved
    ssh: asyncssh.SSHClientConnection
    client: Client
    proxy: Proxy | None
    """The ProxyCommand that carries it."""

    async def close(self) -> None:
        """End it; never raises."""
        self.ssh.close()
        try:
            if not await in_time(self.ssh.wait_closed(), _POLITE):
                # A silent peer never drains the send buffer.
                self.ssh.abort()
                await self.ssh.wait_closed()
        finally:
            if self.proxy is not None:
                await self.proxy.close()


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection and the hops that carry it."""

    box: Hop
    """The login to the box itself."""
    hops: Sequence[Hop]
    """Logins to the jump hosts, first hop first."""

    @property
    def where(self) -> Resolved:
        """How the box was reached."""
        return self.box.where

    @property
    def ssh(self) -> asyncssh.SSHClientConnection:
        """The connection to the box, for channels and forwards."""
        return self.box.ssh

    @property
    def lost(self) -> Exception | None:
        """Why the connection ended, or None."""
        return self.box.client.lost

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address of the first hop, when it was reached by TCP."""
        with contextlib.suppress(TypeError, IndexError, ValueError):
            address = (*self.hops, self.box)[0].ssh.get_extra_info("peername")
            return str(address[0]), int(address[1])
        return None

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, for whatever reason."""
        await self.ssh.wait_closed()

    async def close(self) -> None:
        """End the login and its hops; never raises, and takes a second or two at most."""
        await _close([*self.hops, self.box])


async def _close(hops: Sequence[Hop]) -> None:
    for hop in reversed(hops):
        await hop.close()


class Dialer:
    """Connects to one box, and caches the user's answers between attempts.

    `report` is called with the current step, and with the address once that is known.
    """

    def __init__(
        self,
        name: str,
        spec: HostSpec,
        asker: Asker,
        settings: SshSettings,
        report: Callable[[str, str], None],
    ) -> None:
        self.cache = LoginCache()
        self.stage = Stage.REACHING
        """How far the last attempt came."""
        self.unmet = False
        """Whether the last attempt ended before the first hop spoke as an ssh server."""
        self._report = report
        self._name = name
        self._spec = spec
        self._asker = asker
        self._settings = settings

    async def dial(self, where: Resolved | GpuBoxError | None = None) -> Connection:
        """Return a new connection, to where `resolve` just led, if it was called; raises GpuBoxError."""
        self.stage = Stage.REACHING
        self.unmet = False
        self._report("resolving", "")
        if isinstance(where, GpuBoxError):
            raise where
        where = where or await resolve(self._spec)
        opened: list[Hop] = []
        try:
            for hop in (*where.jumps, where):
                opened.append(await self._open(hop, where, opened[-1] if opened else None))
        except BaseException:
            await _close(opened)
            raise
        self.stage = Stage.LIVE
        return Connection(opened[-1], opened[:-1])

    async def _open(self, hop: Resolved, final: Resolved, before: Hop | None) -> Hop:
        """Connect to one hop; a second time after the user accepted its key."""
        about = self._name if hop is final else f"{self._name} (through {hop.name})"
        policy = HostKeyPolicy(hop, about, self.cache)
        try:
            return await self._log_in(hop, about, policy, before)
        except asyncssh.HostKeyNotVerifiable:
            self._report("asking about a new host key", hop.address)
            await policy.settle(self._asker)
        return await self._log_in(hop, about, HostKeyPolicy(hop, about, self.cache), before)

    async def _log_in(self, hop: Resolved, about: str, policy: HostKeyPolicy, before: Hop | None) -> Hop:
        handshake = Handshake(f"{hop.host}:{hop.port}", self._limit(hop), self._asker)
        login = LoginAttempt(hop, about, self.cache, handshake.ask)
        client = Client(login, policy, lambda stage: self._reached(stage, hop))
        self._reached(Stage.REACHING, hop)
        proxy: Proxy | None = None
        try:
            options = self._options(hop, client, policy)
            async with handshake:
                if before is not None:
                    await handshake.connected()
                    connection = await before.ssh.connect_ssh(hop.host, hop.port, options=options)
                else:
                    if hop.proxy_command:
                        proxy, way = await start(hop.proxy_command)
                    else:
                        way = await reach(hop.host, hop.port, self._limit(hop), hop.source)
                    connection = await _over(way, hop, handshake, options)
            return Hop(hop, connection, client, proxy)
        except BaseException as error:
            self.unmet = before is None and not client.greeted
            if proxy is not None:
                login.trouble = login.trouble or await _complaint(proxy)
                await proxy.close()
            if not isinstance(error, _FAILURES) or policy.seen is not None:
                raise
            raise self._explained(error, hop, about, login, client, before) from error
        finally:
            await login.close()

    def _limit(self, hop: Resolved) -> float:
        return hop.connect_timeout or self._settings.connect_timeout

    def _options(
        self, hop: Resolved, client: Client, policy: HostKeyPolicy
    ) -> asyncssh.SSHClientConnectionOptions:
        none: list[asyncssh.SSHKey] = []  # HostKeyPolicy decides about plain keys and authorities
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            client_factory=lambda: client,
            username=hop.user,
            known_hosts=(none, none, policy.revoked),
            host_key_alias=hop.host_key_alias or None,
            server_host_key_algs=policy.algorithms,
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            client_keys=None,
            agent_path=None,
            gss_host=None,
            host_based_auth=False,
            preferred_auth=list(hop.methods),
            # The probe packs its own lines; zlib around everything would hold a fast tunnel to a tenth.
            compression_algs=["none", "zlib@openssh.com", "zlib"],
            connect_timeout=None,
            login_timeout=0,
            keepalive_interval=self._settings.keepalive,
            keepalive_count_max=UNANSWERED,
            **_chosen(hop, self._name),
        )

    def _reached(self, stage: Stage, hop: Resolved) -> None:
        self.stage = stage
        steps = {
            Stage.REACHING: f"reaching {hop.host}",
            Stage.HANDSHAKE: f"shaking hands with {hop.host}",
            Stage.LOGIN: f"logging in as {hop.user}",
        }
        if stage in steps:
            self._report(steps[stage], hop.address)

    def _explained(
        self,
        error: Exception,
        hop: Resolved,
        about: str,
        login: LoginAttempt,
        client: Client,
        before: Hop | None,
    ) -> GpuBoxError:
        if login.declined and isinstance(error, asyncssh.PermissionDenied):
            return Cancelled(
                "Login cancelled",
                f"{hop.address} was not given what it asks for",
                f"Try again and answer, or use a key: `ssh-copy-id {hop.typed}`",
            )
        facts = ConnectFacts(
            box=about,
            address=hop.address,
            host=hop.host,
            port=hop.port,
            stage=self.stage,
            tried=login.tried,
            methods=list(client.methods),
            trouble=login.trouble or login.missing,
            banner=client.banner,
            limit=self._limit(hop),
            through=before.where.name if before is not None else "",
        )
        return explain(error, facts, hop.typed)


async def _over(
    way: socket.socket, hop: Resolved, handshake: Handshake, options: asyncssh.SSHClientConnectionOptions
) -> asyncssh.SSHClientConnection:
    """Do the ssh handshake over a connected socket, which is closed on failure."""
    try:
        await handshake.connected()
        return await asyncssh.connect(hop.host, hop.port, sock=way, options=options)
    except BaseException:
        way.close()  # no transport owns it while asyncssh prepares its options in a thread
        raise


async def _complaint(proxy: Proxy) -> str:
    said = clean_bytes(await proxy.complaint(), 200).strip()
    return f"ProxyCommand says: {said}" if said else ""


def _chosen(hop: Resolved, about: str) -> dict[str, list[str] | str | int]:
    """Return the algorithms that the user chose, as far as asyncssh has them; aes128-gcm is its fastest.

    Raises ConfigError when it has none of those that are allowed.
    """
    ours: dict[str, list[str] | str | int] = {"encryption_algs": "^aes128-gcm@openssh.com"}
    for option, keyword, able in (
        ("encryption_algs", "Ciphers", get_encryption_algs),
        ("kex_algs", "KexAlgorithms", get_kex_algs),
        ("mac_algs", "MACs", get_mac_algs),
        ("signature_algs", "PubkeyAcceptedAlgorithms", get_default_public_key_algs),
    ):
        chosen = (hop.chosen or {}).get(keyword.lower(), ())
        names = [name for name in chosen if name.encode() in able()]
        if names:
            ours[option] = names
        elif chosen:
            raise not_had(keyword, chosen, about)
    size, seconds = hop.rekey
    return ours | ({"rekey_bytes": size} if size else {}) | ({"rekey_seconds": seconds} if seconds else {})
