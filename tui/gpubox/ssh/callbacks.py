"""Callbacks that asyncssh makes while connecting; each one delegates to the module that decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncssh
from asyncssh.misc import MaybeAwait

from gpubox.core.sanitize import clean
from gpubox.ssh.auth import LoginAttempt
from gpubox.ssh.errors import Stage
from gpubox.ssh.host_key import HostKeyPolicy
from gpubox.ssh.sign_at_once import sign_at_once


class Client(asyncssh.SSHClient):
    """The callbacks of one connection."""

    def __init__(self, login: LoginAttempt, policy: HostKeyPolicy, reached: Callable[[Stage], None]) -> None:
        self.methods: dict[str, None] = {}
        """Authentication methods that the box offers, in order."""
        self.banner = ""
        """The box's banner, on one line."""
        self.lost: Exception | None = None
        """Why the connection ended; None while it is up, or after a clean end."""
        self.greeted = False
        """Whether an ssh server sent its version; known when the connection has ended."""
        self._login = login
        self._policy = policy
        self._reached = reached
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Record that the server answered."""
        self._connection = conn
        sign_at_once(conn, self._login)
        self._reached(Stage.HANDSHAKE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the reason, and the stage that was reached."""
        self.lost = exc
        if self._connection is not None:
            self.greeted = bool(self._connection.get_extra_info("server_version"))
        self._connection = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Return whether known_hosts has the key; asyncssh cannot wait here, so questions come later."""
        return self._policy.admit(key.public_data)

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Return whether known_hosts has the authority."""
        return self._policy.admit_authority(key.public_data)

    def begin_auth(self, username: str) -> None:
        """Record that the host key was accepted."""
        self._reached(Stage.LOGIN)

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """Record the banner."""
        self.banner = clean(" ".join(msg.split()), 200)

    def auth_completed(self) -> None:
        """Cache what worked."""
        self._login.succeeded()

    def public_key_auth_requested(self) -> MaybeAwait[asyncssh.SSHKeyPair | None]:
        """Return the next key to offer."""
        self._note_methods()
        return self._login.next_key()

    def password_auth_requested(self) -> MaybeAwait[str | None]:
        """Return the next password to try."""
        self._note_methods()
        return self._login.password()

    def kbdint_auth_requested(self) -> MaybeAwait[str | None]:
        """Return an empty list of devices: the box may choose; None ends it."""
        self._note_methods()
        return "" if self._login.accepts_challenge() else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> MaybeAwait[list[str] | None]:
        """Return the user's answers."""
        return self._login.challenge(name, instructions, prompts)

    def _note_methods(self) -> None:
        if self._connection is not None:
            self.methods.update(dict.fromkeys(self._connection.get_server_auth_methods()))
