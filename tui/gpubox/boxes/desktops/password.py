"""Passwords of desktops: a one-time password for those started here, the stored one for others."""

from __future__ import annotations

from secrets import choice
from string import ascii_letters, digits

from gpubox.boxes.desktops.remote_script import ask
from gpubox.boxes.desktops.session import DesktopSession
from gpubox.core.shell import Shell
from gpubox.rfb import auth

LENGTH = 8
"""Characters of a VNC password that are significant."""


def fresh() -> str:
    """Return a new password."""
    return "".join(choice(ascii_letters + digits) for _ in range(LENGTH))


async def write(shell: Shell, session: DesktopSession, password: str) -> None:
    """Set the password of a desktop that was started here, for its next viewers."""
    octal = "".join(f"\\{byte:03o}" for byte in auth.hide(password))
    await ask(shell, "password", octal=octal, dir=session.folder)


async def stored(shell: Shell, session: DesktopSession) -> str:
    """Return the stored password of a desktop, or an empty string when none can be read."""
    lines = await ask(shell, "password", octal="", path=session.secret)
    encrypted = next((line.rest for line in lines if line.word == "bytes"), "")
    try:
        return auth.reveal(bytes.fromhex(encrypted)) if len(encrypted) == 2 * LENGTH else ""
    except ValueError:
        return ""
