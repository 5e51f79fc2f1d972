"""Resolves the name of a box to everything that a login needs, as OpenSSH would."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import as_bytes
from gpubox.ssh.aliases import aliases
from gpubox.ssh.host_spec import HostSpec, hops
from gpubox.ssh.keywords import refuse
from gpubox.ssh.openssh_config import Dump, defaults, dump, expand, home, local_user, path
from gpubox.ssh.tcp_connect import Source

__all__ = ["HostSpec", "Resolved", "Strict", "aliases", "resolve"]

Strict = Literal["ask", "yes", "accept-new", "no"]
"""StrictHostKeyChecking, for hosts that are not known yet; a changed key is always refused."""

_STRICT: Mapping[str, Strict] = {
    "ask": "ask",
    "yes": "yes",
    "true": "yes",
    "accept-new": "accept-new",
    "no": "no",
    "off": "no",
    "false": "no",
}

_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")

MOST_HOPS = 8
"""Most jump hosts; more than this is a loop."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where and how to log in."""

    name: str
    """The name that was resolved."""
    typed: str
    """What the user types after `ssh` to reach it."""
    host: str
    """Host name or address to connect to."""
    port: int
    user: str
    identities: tuple[Path, ...] = ()
    """Key files that the user named; they are offered before anything else."""
    default_identities: tuple[Path, ...] = ()
    """Key files that ssh tries by itself; offered last."""
    identities_only: bool = False
    """Whether keys of the agent that no file names are left out."""
    certificates: tuple[Path, ...] = ()
    """Certificate files named in the configuration."""
    agent: str = ""
    """The agent's socket; empty when there is none."""
    missing: tuple[Path, ...] = ()
    """Key files that the user named and that do not exist."""
    jumps: tuple[Resolved, ...] = ()
    """Hosts to go through, first hop first."""
    proxy_command: str = ""
    """A command that is the way to the box, tokens filled in."""
    known_hosts: tuple[Path, ...] = ()
    """The user's known_hosts files; new keys go into the first."""
    global_known_hosts: tuple[Path, ...] = ()
    """The system's known_hosts files."""
    revoked: tuple[Path, ...] = ()
    """Files of revoked keys: RevokedHostKeys."""
    hash_known_hosts: bool = False
    """Whether names in known_hosts are hashed."""
    host_key_alias: str = ""
    """The name to look up in known_hosts in place of host and port."""
    strict: Strict = "ask"
    """What to do about an unknown host key."""
    methods: tuple[str, ...] = ("publickey", "keyboard-interactive", "password")
    """Ways to log in, in order."""
    connect_timeout: float | None = None
    """Seconds of ConnectTimeout, or None."""
    chosen: Mapping[str, tuple[str, ...]] | None = None
    """Algorithms that the user chose, by keyword; see _ALGORITHMS."""
    least_rsa_bits: int = 0
    """RequiredRSASize: bits that an RSA key of the host must have."""
    rekey: tuple[int, int] = (0, 0)
    """RekeyLimit: bytes and seconds after which to rekey; 0 leaves it to asyncssh."""
    source: Source = field(default_factory=Source)
    """Where on this machine the connection begins."""

    @property
    def address(self) -> str:
        """`user@host:port`, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}"


_ALGORITHMS = (
    "ciphers",
    "macs",
    "kexalgorithms",
    "hostkeyalgorithms",
    "casignaturealgorithms",
    "pubkeyacceptedalgorithms",
)


async def resolve(host_spec: HostSpec, program: str = "ssh") -> Resolved:
    """Return how to log in to a box, its jump hosts included.

    `program` is the ssh to ask; where it does not exist, asyncssh reads the configuration. Raises
    ConfigError when the configuration cannot be used.
    """
    return await _resolve(host_spec, program, ())


async def _resolve(host_spec: HostSpec, program: str, on_the_way: tuple[str, ...]) -> Resolved:
    host_spec.check()
    # By name: behind a gate a box may have the very address that the gate has here.
    if host_spec.typed in on_the_way or len(on_the_way) >= MOST_HOPS:
        raise ConfigError(
            "A jump host that jumps through itself",
            " through ".join((*on_the_way, host_spec.typed)),
            "Give the last one `ProxyJump none` in ~/.ssh/config",
        )
    table, standard = await asyncio.gather(dump(host_spec, program), defaults(program))
    refuse(host_spec.host, table)
    here = _read(host_spec, table, standard)
    jump = _first(table, "proxyjump")
    way: list[Resolved] = []
    for position, hop in enumerate(hops(jump)):
        # Only the first hop may have jump hosts of its own: the others are reached through the one before.
        hop_spec = replace(
            hop,
            jump="none" if position else "",
            config_file=host_spec.config_file,
            known_hosts=host_spec.known_hosts,
        )
        resolved = await _resolve(hop_spec, program, (*on_the_way, host_spec.typed))
        way.extend((*resolved.jumps, replace(resolved, jumps=())))
    return replace(here, jumps=tuple(way))


def _read(host_spec: HostSpec, table: Dump, standard: Dump) -> Resolved:
    host = _first(table, "hostname") or host_spec.host
    port = int(_first(table, "port") or 22)
    user = _first(table, "user") or local_user()
    tokens = _tokens(host_spec.host, host, port, user, _first(table, "proxyjump"))
    named, usual, missing = _identities(table, standard, tokens)
    if host_spec.identity and not _present([host_spec.identity], tokens):
        # `ssh -G -i` leaves out a file that is not there.
        missing = tuple(dict.fromkeys((path(expand(host_spec.identity, tokens)), *missing)))
    own, shared = _known_hosts(host_spec, table, tokens)
    jump, command = _first(table, "proxyjump"), _first(table, "proxycommand")
    if command.lower() == "none" or jump.lower() not in ("", "none"):
        command = ""
    limit = _first(table, "connecttimeout")
    return Resolved(
        name=host_spec.host,
        typed=host_spec.typed,
        host=host,
        port=port,
        user=user,
        identities=named,
        default_identities=usual,
        missing=missing,
        identities_only=_first(table, "identitiesonly") == "yes",
        certificates=tuple(path(expand(text, tokens)) for text in _values(table, "certificatefile")),
        agent=_agent(_first(table, "identityagent"), tokens),
        proxy_command=expand(command, tokens),
        known_hosts=own,
        global_known_hosts=shared,
        revoked=tuple(file for text in _values(table, "revokedhostkeys") for file in _files(text, tokens)),
        hash_known_hosts=_first(table, "hashknownhosts") == "yes",
        host_key_alias=_first(table, "hostkeyalias"),
        strict=_STRICT.get(_first(table, "stricthostkeychecking"), "ask"),
        methods=_methods(table),
        connect_timeout=float(limit) if limit.isdigit() and int(limit) else None,
        chosen={
            key: tuple(_first(table, key).split(","))
            for key in _ALGORITHMS
            if _values(table, key) and _values(table, key) != _values(standard, key)
        },
        least_rsa_bits=_number(_first(table, "requiredrsasize")),
        rekey=_rekey(_first(table, "rekeylimit")),
        source=Source(
            family=_first(table, "addressfamily") or "any",
            address=expand(_first(table, "bindaddress"), tokens),
            interface=_first(table, "bindinterface"),
        ),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _rekey(text: str) -> tuple[int, int]:
    """Read RekeyLimit as `ssh -G` prints it: bytes and seconds, 0 for the default."""
    size, _, seconds = text.partition(" ")
    return _number(size), _number(seconds)


def _values(table: Dump, key: str) -> list[str]:
    return [value for value in table.get(key, ()) if value.lower() != "none"]


def _first(table: Dump, key: str) -> str:
    values = table.get(key, ())
    return values[0] if values else ""


def _tokens(name: str, host: str, port: int, user: str, jump: str) -> dict[str, str]:
    local = socket.gethostname()
    whole = "".join((local, host, str(port), user, "" if jump.lower() == "none" else jump))
    return {
        "C": hashlib.sha1(as_bytes(whole)).hexdigest(),
        "d": str(home()),
        "h": host,
        "i": str(os.getuid()),
        "j": jump,
        "k": name,
        "L": local.partition(".")[0],
        "l": local,
        "n": name,
        "p": str(port),
        "r": user,
        "u": local_user(),
    }


def _identities(
    table: Dump, standard: Dump, tokens: Mapping[str, str]
) -> tuple[tuple[Path, ...], tuple[Path, ...], tuple[Path, ...]]:
    """Split key files into those that the user named, ssh's defaults, and missing ones."""
    texts = list(table.get("identityfile", ()))
    usual = list(standard.get("identityfile", ())) or [f"~/.ssh/{name}" for name in _DEFAULT_KEYS]
    if not texts or texts == usual:
        return (), _present(usual, tokens), ()
    named = [text for text in texts if text.lower() != "none"]
    present = _present(named, tokens)
    files = (path(expand(text, tokens)) for text in named if text not in usual)
    return present, (), tuple(file for file in files if file not in present)


def _present(texts: list[str], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    files = (path(expand(text, tokens)) for text in texts)
    return tuple(file for file in files if file.is_file() or file.with_name(file.name + ".pub").is_file())


def _known_hosts(
    host_spec: HostSpec, table: Dump, tokens: Mapping[str, str]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    if host_spec.known_hosts is not None:
        return (host_spec.known_hosts,), ()
    own = _first(table, "userknownhostsfile") or "~/.ssh/known_hosts ~/.ssh/known_hosts2"
    shared = _first(table, "globalknownhostsfile") or "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
    return _files(own, tokens), _files(shared, tokens)


def _files(text: str, tokens: Mapping[str, str]) -> tuple[Path, ...]:
    # `ssh -G` joins the names with spaces, so that one file with a space in its name looks like two.
    whole = path(expand(text, tokens))
    parts = [text] if whole.is_file() else text.split()
    return tuple(
        path(expand(part, tokens)) for part in parts if part.lower() != "none" and part != os.devnull
    )


def _agent(text: str, tokens: Mapping[str, str]) -> str:
    if text.lower() == "none":
        return ""
    if text in ("", "SSH_AUTH_SOCK"):
        return os.environ.get("SSH_AUTH_SOCK", "")
    if text.startswith("$"):
        return os.environ.get(text[1:].strip("{}"), "")
    return str(path(expand(text, tokens)))


def _methods(table: Dump) -> tuple[str, ...]:
    switches = {
        "publickey": "pubkeyauthentication",
        "keyboard-interactive": "kbdinteractiveauthentication",
        "password": "passwordauthentication",
    }
    order = [part.strip() for part in _first(table, "preferredauthentications").split(",") if part.strip()]
    return tuple(
        method
        for method in (order or switches)
        if method in switches and _first(table, switches[method]) not in ("no", "false")
    )
