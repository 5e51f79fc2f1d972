"""Sends a signature together with the key that is offered, which saves a login one round trip."""

from __future__ import annotations

import asyncssh
from asyncssh.packet import Boolean
from asyncssh.public_key import SigningKey

from gpubox.ssh.auth import LoginAttempt


def sign_at_once(connection: asyncssh.SSHClientConnection, login: LoginAttempt) -> None:
    """Do so for keys that sign without asking anybody, on one connection.

    asyncssh, like OpenSSH, first asks the box whether it accepts a key, so that nobody unlocks or touches one
    in vain. Servers take signatures without that question (RFC 4252, 7): paramiko never asks it.
    """
    send = connection.send_userauth_request

    async def request(
        method: bytes, *parts: bytes, key: SigningKey | None = None, trivial: bool = True
    ) -> None:
        ready = login.ready_key if method == b"publickey" and key is None else None
        if ready is None:
            await send(method, *parts, key=key, trivial=trivial)
            return
        try:
            await send(method, Boolean(True), *parts[1:], key=ready, trivial=False)
        except ValueError:  # the key cannot be read after all
            connection.try_next_auth()

    connection.send_userauth_request = request
