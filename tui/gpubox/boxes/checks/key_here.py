"""The key of this machine that is let in on a box: the one that is there, or a new one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from gpubox.core.errors import Cancelled, ConfigError
from gpubox.core.prompts import Asker, Question, QuestionKind
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from gpubox.ssh.new_key import LoginKey

_TRIES = 3
"""Attempts at a passphrase."""


async def key_here(box: str, file: Path, asker: Asker | None) -> LoginKey:
    """Return the key in a file, unlocked, or a new one for it, which nobody has written yet.

    Without an asker a locked key stays locked, and a new one gets no passphrase: for a plan that is only
    shown. Raises Cancelled, and ConfigError when what is there cannot be used.
    """
    return await _existing(box, file, asker) or await _made(box, file, asker)


async def _existing(box: str, file: Path, asker: Asker | None) -> LoginKey | None:
    """Return the key that is there, unlocked by its passphrase; without an asker its public half will do."""
    from gpubox.ssh.new_key import KeyLocked, existing, public_half

    passphrase, attempt = "", 0
    while True:
        try:
            return await asyncio.to_thread(existing, file, passphrase)
        except KeyLocked:
            if asker is None:
                return await asyncio.to_thread(public_half, file)
            if attempt == _TRIES:
                raise
        title = "Wrong passphrase, try again" if attempt else "Passphrase"
        text = f"The key {shown(file)} is there already, and is used. It is locked by a passphrase."
        question = Question(box, title, text, QuestionKind.SECRET, prompt="Passphrase:")
        passphrase, attempt = await asker.ask(question) or "", attempt + 1
        if not passphrase:
            raise Cancelled("Nothing was changed", "Nobody gave the passphrase of the key")


async def _made(box: str, file: Path, asker: Asker | None) -> LoginKey:
    from gpubox.ssh.new_key import make

    passphrase = "" if asker is None else await _new_passphrase(box, file, asker)
    return await asyncio.to_thread(make, file, passphrase)


async def _new_passphrase(box: str, file: Path, asker: Asker) -> str:
    """Ask twice for the passphrase of a key; empty for none. Raises Cancelled, and ConfigError."""
    text = (
        f"A new key is made on this machine: {shown(file)}. A passphrase locks it; an agent asks for it once "
        "a day. Leave it empty for none: then whoever gets that file logs in."
    )

    async def ask(title: str, text: str) -> str:
        question = Question(box, title, text, QuestionKind.SECRET, prompt="Passphrase:", may_be_empty=True)
        answer = await asker.ask(question)
        if answer is None:
            raise Cancelled("No key was made", "Nobody gave a passphrase for it")
        return answer

    for attempt in range(_TRIES):
        first = await ask("The two differ, try again" if attempt else "Passphrase for a new key", text)
        again = "It is not written anywhere." if first else "It is empty: the key will not be locked."
        if await ask("The same passphrase again", again) == first:
            return first
    raise ConfigError("No key was made", f"The two passphrases differed {_TRIES} times")


def shown(file: Path) -> str:
    """Return a path of this machine as people read it."""
    return clean(str(file), 200)
