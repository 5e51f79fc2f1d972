"""Whether this machine logs in by a key."""

from __future__ import annotations

import time

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, warning
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    login = gathered.of(LinkLogin)
    if not login.needed:
        return not_here("This box needs no login over the network")
    if login.key_type:
        size = f" of {login.bits} bits" if login.bits else ""
        text = f"By {login.key_type}{size}, {login.fingerprint}"
        return ok(text, value=login.key_type, details=_age(login))
    if login.proved:
        return ok(f"A new login by {login.proved} works; this one came without it", value=login.proved)
    refused = bool(login.offered) and "publickey" not in login.offered
    return warning(
        "This login was by password, or by nothing",
        "On your machine: ssh-keygen -t ed25519, with a passphrase, and ssh-copy-id BOX",
        value="no key",
        fix=None if refused else _FIX,
    )


def _age(login: LinkLogin) -> tuple[str, ...]:
    """Return since when there is the file of the key; one that was copied may be older."""
    day = time.strftime("%Y-%m-%d", time.localtime(login.modified))
    return (f"{clean(login.file, 80)} is of {day}",) if login.file else ()


_FIX = Fix(
    "Log in by a key",
    "A key of this machine logs in from then on. A new one is made where there is none.",
    needs_root=False,
    new_key=True,
)
"""What stands for the change until the key is there; boxes.checks.new_key works it out."""


CHECK = Check(
    id="login.from-here",
    title="This machine logs in by a key",
    why="A key cannot be guessed, and it never travels to the box. It is also what this panel needs to come "
    "back by itself after the link dropped. Protect it with a passphrase; an agent asks for it once a day.",
    command="ssh -v BOX true 2>&1 | grep 'Authenticated to'",
    needs=(LinkLogin,),
    judge=_judge,
)
