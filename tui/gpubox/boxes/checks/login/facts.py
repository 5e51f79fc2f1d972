"""Facts of the login, as remote/checks/login.py gathers them, and which of its keys sshd takes."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import CannotLook, Facts, Gathered
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.bounds import Moment, Whole
from gpubox.core.sanitize import clean

OLD_TYPES = ("ssh-dss", "ssh-dss-cert-v01@openssh.com")
"""DSA: no sshd takes it without a setting since 7.0, and 10.0 cannot any more."""


class AuthorizedKey(msgspec.Struct, frozen=True):
    """A line of authorized_keys, without the key."""

    where: str
    """File and line."""
    kind: str
    bits: Whole | None = None
    fingerprint: str = ""
    options: tuple[str, ...] = ()
    """Names of options in lower case."""
    expired: bool = False
    commented: bool = False

    @property
    def described(self) -> str:
        """Where it stands, and its type, bits and fingerprint."""
        found = f"{clean(self.kind, 40)} {self.bits or '?'} {clean(self.fingerprint, 60)}"
        return f"{clean(self.where, 120)}: {found}"


class PathMode(msgspec.Struct, frozen=True):
    """Owner and mode of a file or folder that sshd looks at before it takes a key."""

    path: str
    mode: Whole
    uid: Whole
    owner: str = ""
    regular: bool = False
    own_group: bool = False
    """Whether its group may write, and holds nobody but the user."""


class KeyFile(msgspec.Struct, frozen=True):
    """A file that may hold keys."""

    path: str
    error: str = ""
    """Why it was not read; `missing` when there is none."""
    paths: tuple[PathMode, ...] = ()
    """The file, and the folders above it up to the home."""
    label: str = ""
    """Its type of SELinux."""


class LoginFacts(Facts, frozen=True):
    """The account, its home, and its keys."""

    SECTION: ClassVar[str] = "login"

    time: Moment = 0.0
    """Seconds since the epoch, by the clock of the box."""
    user: str = ""
    uid: Whole = 0
    home: str = ""
    home_there: bool = True
    file_system: str = ""
    """The type of the file system that holds the home."""
    source: str = ""
    """Where that comes from: a device, `server:/path`."""
    encrypted: str = ""
    """What encrypts the home on its own."""
    selinux: bool = False
    """Whether SELinux enforces."""
    debian: bool = False
    files: tuple[KeyFile, ...] = ()
    keys: tuple[AuthorizedKey, ...] = ()
    more_keys: Whole = 0
    """Keys that were not sent."""
    broken: tuple[str, ...] = ()
    """File and line of what is no key."""
    method: str = ""
    """How this login proved itself; empty when the box does not say."""
    shell: str = ""
    shell_runs: bool | None = None
    shell_listed: bool | None = None
    """Whether /etc/shells has it; None without that file."""
    account_ends: Moment | None = None
    password_ends: Moment | None = None
    password_overdue: bool = False
    """Whether the next login has to change the password."""
    password: str = ""
    """As `passwd -S` shows it: P usable, L locked, NP none; empty when it does not say."""
    nologin: str = ""
    """The file that keeps everyone but root out."""

    def usable(self, smallest_rsa: int = 1024) -> list[AuthorizedKey]:
        """Return the keys that sshd takes."""
        return [
            key
            for key in self.keys
            if not key.expired
            and key.kind not in OLD_TYPES
            and not (key.kind == "ssh-rsa" and key.bits is not None and key.bits < smallest_rsa)
        ]


def first_a_key(gathered: Gathered, step: str) -> str:
    """Return a step that closes another way in, with the advice to make a key work first where none does."""
    try:
        facts = gathered.of(LoginFacts)
    except CannotLook:
        return f"First make sure that a key logs you in. {step}"
    if facts.usable() or facts.method == "publickey":
        return step
    return f"First run `ssh-copy-id {facts.user}@BOX` on your machine, and log in by that key. Then: {step}"


def sshd_value(gathered: Gathered, keyword: str, default: str) -> str:
    """Return a setting of sshd for this login, or a default where it cannot be looked at."""
    try:
        return gathered.of(SshdFacts).value(keyword)
    except CannotLook:
        return default
