"""Connects and logs in to a box by its name, hop by hop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncssh

from gpubox.config.settings import SshSettings
from gpubox.core.errors import AuthFailed, Cancelled, ConfigError, GpuBoxError
from gpubox.core.prompts import Asker, Nobody
from gpubox.core.sanitize import clean_bytes
from gpubox.ssh.algorithms import chosen
from gpubox.ssh.approach import Approach, limit_of
from gpubox.ssh.auth import LoginAttempt, LoginCache
from gpubox.ssh.callbacks import Client
from gpubox.ssh.connection import Connection, Hop, close_all
from gpubox.ssh.errors import ConnectFacts, Stage, explain
from gpubox.ssh.handshake_limit import Handshake
from gpubox.ssh.host_key import HostKeyPolicy
from gpubox.ssh.proxy import Proxy
from gpubox.ssh.resolve import HostSpec, Resolved, resolve

UNANSWERED = 2
"""Keep-alives that may go unanswered; the next one ends the link."""

_FAILURES = (asyncssh.Error, OSError, ValueError)
"""Everything that asyncssh raises while connecting; TimeoutError is an OSError."""


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

    async def dial(
        self, where: Resolved | GpuBoxError | None = None, approach: Approach | None = None
    ) -> Connection:
        """Return a new connection; raises GpuBoxError.

        `where` is where `resolve` just led, if it was called, and `approach` how its first hop is reached.
        """
        self.stage = Stage.REACHING
        self.unmet = False
        if isinstance(where, GpuBoxError):
            raise where
        opened: list[Hop] = []
        try:
            if where is None:
                self._report("resolving", "")
                where = await resolve(self._spec)
            for hop in (*where.jumps, where):
                opened.append(await self._open(hop, where, opened[-1] if opened else approach))
        except BaseException:
            await close_all(opened)
            if approach is not None:
                await approach.abandon()
            raise
        self.stage = Stage.LIVE
        return Connection(opened[-1], opened[:-1], self)

    async def log_in_again(self, way: socket.socket | None) -> tuple[str, ...]:
        """Prove that a login works now, end it at once, and return what it was offered before any proof.

        Raises GpuBoxError when it does not work.
        It goes over `way`, a connected socket to an ssh server of the box, or as `dial` does.
        """
        # The steps of a proof are not those of the link, which is up.
        proof = Dialer(self._name, self._spec, self._asker, self._settings, _no_report)
        proof.cache = self.cache
        if way is None:
            connection = await proof.dial()
            await connection.close()
            return tuple(connection.box.client.methods)
        where = await resolve(self._spec)
        policy = HostKeyPolicy(where, self._name, self.cache)
        hop = await proof._log_in(
            where, self._name, policy, Approach(where, self._settings, self._asker, way)
        )
        await hop.close()
        return tuple(hop.client.methods)

    async def log_in_by(self, file: Path, passphrase: str, before: Hop | None) -> bytes:
        """Prove that a key file alone logs in now, end that login at once, and return the public key.

        It goes through `before`, the last jump host of an open connection, and asks nobody. Raises
        GpuBoxError when the key cannot be read, or does not log in.
        """
        from gpubox.ssh.new_key import read_key  # only this needs it, and a link is to begin soon

        key = await asyncio.to_thread(read_key, file, passphrase)
        where = await resolve(self._spec)
        if "publickey" not in where.methods:
            raise ConfigError(
                "ssh uses no keys here",
                f"{self._name}: your configuration says so, by PubkeyAuthentication or "
                "PreferredAuthentications",
                "Correct that in ~/.ssh/config",
            )
        alone = Dialer(self._name, self._spec, Nobody(), self._settings, _no_report)
        alone.cache = LoginCache(pins=self.cache.pins, alone=asyncssh.load_keypairs([key])[0])
        where = replace(where, methods=("publickey",))
        hop = await alone._open(where, where, before)
        await hop.close()
        if hop.key != key.public_data:
            raise AuthFailed("The key was not used", f"{where.address} let this login in without it")
        if passphrase:
            self.cache.keys[file] = key
        self.cache.good[where.address] = key.public_data
        return hop.key

    @property
    def config_file(self) -> Path | None:
        """The configuration that is read in place of the user's own."""
        return self._spec.config_file

    async def _open(self, hop: Resolved, final: Resolved, by: Hop | Approach | None) -> Hop:
        """Connect to one hop; a second time after the user accepted its key."""
        about = self._name if hop is final else f"{self._name} (through {hop.name})"
        policy = HostKeyPolicy(hop, about, self.cache)
        try:
            return await self._log_in(hop, about, policy, by)
        except asyncssh.HostKeyNotVerifiable:
            self._report("asking about a new host key", hop.address)
            await policy.settle(self._asker)
        policy = HostKeyPolicy(hop, about, self.cache)
        return await self._log_in(hop, about, policy, by if isinstance(by, Hop) else None)

    async def _log_in(
        self, hop: Resolved, about: str, policy: HostKeyPolicy, by: Hop | Approach | None
    ) -> Hop:
        """Log in to a hop, through the one before, or by an approach, which begins now if it is None."""
        by = by or Approach(hop, self._settings, self._asker)
        if isinstance(by, Hop):
            handshake = Handshake(f"{hop.host}:{hop.port}", limit_of(hop, self._settings), self._asker)
        else:
            handshake = by.handshake
        login = LoginAttempt(hop, about, self.cache, handshake.ask)
        client = Client(login, policy, lambda stage: self._reached(stage, hop))
        self._reached(Stage.REACHING, hop)
        proxy: Proxy | None = None
        try:
            options = self._options(hop, client, policy)
            async with handshake:
                if isinstance(by, Hop):
                    await handshake.connected()
                    connection = await by.ssh.connect_ssh(hop.host, hop.port, options=options)
                else:
                    way = await by.way()
                    proxy = way.proxy
                    connection = await _over(way.socket, hop, handshake, options)
            return Hop(hop, connection, client, proxy, login.key)
        except BaseException as error:
            self.unmet = isinstance(by, Approach) and not client.greeted
            if isinstance(by, Approach):
                await by.abandon()
            if proxy is not None:
                login.trouble = login.trouble or await _complaint(proxy)
                await proxy.close()
            if not isinstance(error, _FAILURES) or policy.seen is not None:
                raise
            raise self._explained(error, hop, about, login, client, by) from error
        finally:
            await login.close()

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
            **chosen(hop, self._name),
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
        by: Hop | Approach,
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
            limit=limit_of(hop, self._settings),
            through=by.where.name if isinstance(by, Hop) else "",
        )
        return explain(error, facts, hop.typed)


def _no_report(_step: str, _address: str) -> None:
    """Report nothing: the link is open, and stays so."""


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
