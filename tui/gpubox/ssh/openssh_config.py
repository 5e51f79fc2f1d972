"""The effective OpenSSH configuration of a box: from `ssh -G`, or from asyncssh's parser without ssh."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import pwd
import re
import shlex
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gpubox.core.errors import ConfigError, Unreachable
from gpubox.core.sanitize import clean_bytes
from gpubox.ssh import fast_import
from gpubox.ssh.host_spec import HostSpec
from gpubox.ssh.keywords import NEED_SSH

Dump = Mapping[str, Sequence[str]]
"""Keyword in lower case to its values, in order, as `ssh -G` prints them."""

_LIMIT = 10.0
"""Seconds for `ssh -G`, which takes 5 ms unless a `Match exec` of the user's own hangs."""

_DEFAULTS: dict[str, Dump] = {}
"""ssh's defaults without any configuration; they cannot change while we run."""

_NOISE = ("Pseudo-terminal will not", "Warning: Identity file")


def home() -> Path:
    """Return the home folder as ssh sees it: from the password database, whatever HOME says."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def local_user() -> str:
    """Return the login name of the user on this machine."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return getpass.getuser()


async def dump(host_spec: HostSpec, program: str = "ssh") -> Dump:
    """Return every setting that ssh would use for a box.

    Raises ConfigError when ssh refuses its configuration, in ssh's own words.
    """
    if shutil.which(program) is None:
        return _parsed(host_spec)
    return await _asked(program, _arguments(host_spec), host_spec.host)


async def defaults(program: str = "ssh") -> Dump:
    """Return ssh's defaults without any configuration; a value that differs was configured."""
    if program not in _DEFAULTS and shutil.which(program) is not None:
        _DEFAULTS[program] = await _asked(program, ["-F", os.devnull], "localhost")
    return _DEFAULTS.get(program, {})


def _arguments(host_spec: HostSpec) -> list[str]:
    pairs = (
        ("-F", str(host_spec.config_file or "")),
        ("-l", host_spec.user),
        ("-p", str(host_spec.port or "")),
        ("-i", host_spec.identity),
        ("-J", host_spec.jump),
    )
    return [part for flag, value in pairs if value for part in (flag, value)]


async def _asked(program: str, arguments: Sequence[str], host: str) -> Dump:
    process = await asyncio.create_subprocess_exec(
        program,
        "-G",
        "-T",
        *arguments,
        "--",
        host,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_LIMIT):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise Unreachable(  # tried again: after a sleep of this machine the time is up, whatever ssh does
            "ssh does not say how to reach it",
            f"`ssh -G {host}` gave no answer in {_LIMIT:.0f} s",
            "Look for a `Match exec` in ~/.ssh/config that hangs",
        ) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what a `Match exec` of it still runs
            await process.wait()
    if process.returncode:
        raise _refused(host, err)
    return _table(out.decode("utf-8", "surrogateescape"))


def _refused(host: str, err: bytes) -> ConfigError:
    lines = [
        line for line in err.splitlines() if line.strip() and not line.decode("latin-1").startswith(_NOISE)
    ]
    said = clean_bytes(b" / ".join(lines[-3:]), 300) or "no reason given"
    if "jumphost loop" in said:
        return ConfigError(
            "A jump host that jumps through itself",
            f"{host}: {said}",
            "Give that host `ProxyJump none` in ~/.ssh/config",
        )
    return ConfigError("ssh refuses its configuration", f"{host}: {said}", f"Try `ssh -G {host}`")


def _table(text: str) -> Dump:
    table: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        table.setdefault(key.lower(), []).append(value)
    return table


_PARSED = {
    "hostname": "Hostname",
    "user": "User",
    "port": "Port",
    "proxyjump": "ProxyJump",
    "proxycommand": "ProxyCommand",
    "hostkeyalias": "HostKeyAlias",
    "hostkeyalgorithms": "HostKeyAlgorithms",
    "identityagent": "IdentityAgent",
    "connecttimeout": "ConnectTimeout",
    "compression": "Compression",
    "bindaddress": "BindAddress",
    "casignaturealgorithms": "CASignatureAlgorithms",
    "identitiesonly": "IdentitiesOnly",
    "passwordauthentication": "PasswordAuthentication",
    "pubkeyauthentication": "PubkeyAuthentication",
    "kbdinteractiveauthentication": "KbdInteractiveAuthentication",
    "preferredauthentications": "PreferredAuthentications",
    "kexalgorithms": "KexAlgorithms",
    "ciphers": "Ciphers",
    "macs": "MACs",
    "identityfile": "IdentityFile",
    "certificatefile": "CertificateFile",
    "userknownhostsfile": "UserKnownHostsFile",
    "globalknownhostsfile": "GlobalKnownHostsFile",
    "stricthostkeychecking": "StrictHostKeyChecking",
    "hashknownhosts": "HashKnownHosts",
}
"""Keyword of `ssh -G` to that of the parser, for what we use."""

_DEEPEST = 16
"""The depth at which OpenSSH stops including, too."""
_PATHS = frozenset({"userknownhostsfile", "globalknownhostsfile"})


def _parsed(host_spec: HostSpec) -> Dump:
    """Read the configuration without ssh; raises ConfigError for keywords that only ssh understands."""
    fast_import.load()  # before anything imports asyncssh with all its parts
    from gpubox.ssh.parser import ClientConfig

    files = (
        [host_spec.config_file]
        if host_spec.config_file
        else [home() / ".ssh/config", Path("/etc/ssh/ssh_config")]
    )
    present = [path for path in files if path.is_file()]
    for keyword, _ in (word for file in present for word in config_lines(file)):
        if keyword in NEED_SSH:
            raise ConfigError(
                "OpenSSH is needed here",
                f"Your ssh configuration has {keyword}, whose value only the program ssh knows",
                "Install the OpenSSH client, or remove that line",
            )
    try:
        config = ClientConfig.load(
            None,
            present,
            False,
            False,
            False,
            local_user(),
            host_spec.user or (),
            host_spec.host,
            host_spec.port or (),
        )
    except (ValueError, OSError) as error:
        raise ConfigError("The ssh configuration cannot be read", str(error), "Correct that line") from error
    table = {key: _texts(key, config.get(theirs)) for key, theirs in _PARSED.items()}
    table = {key: values for key, values in table.items() if values}
    if isinstance(config, ClientConfig) and config.no_agent:
        table["identityagent"] = ["none"]
    if host_spec.identity:
        table["identityfile"] = [host_spec.identity, *table.get("identityfile", ())]
    if host_spec.jump:
        table["proxyjump"] = [host_spec.jump]
        table.pop("proxycommand", None)
    table.setdefault("hostname", [host_spec.host])
    return table


def _texts(key: str, value: object) -> list[str]:
    if value is None or value == () or value == "":
        return []
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, (list, tuple)):
        texts = [str(part) for part in value]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return [" ".join(texts)] if key in _PATHS else texts
    return [str(value)]


_TOKEN = re.compile(r"%(.)|\$\{(\w+)\}")


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """Return text with ssh's percent tokens and `${VARIABLES}` filled in; unknown ones stay as they are."""

    def fill(match: re.Match[str]) -> str:
        token, variable = match.groups()
        if token is not None:
            return "%" if token == "%" else tokens.get(token, match.group())
        return os.environ.get(variable, match.group())

    return _TOKEN.sub(fill, text)


def path(text: str) -> Path:
    """Return a path of the configuration; `~` is the home folder that ssh means."""
    if text == "~" or text.startswith("~/"):
        return home() / text[2:]
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)  # `~nobody-here/key`: a file that does not exist


def config_lines(config_file: Path | None = None, depth: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Yield each keyword of a configuration and its includes, in lower case, with its values."""
    try:
        text = (config_file or home() / ".ssh/config").read_text("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        keyword, values = _words(line)
        if keyword == "include" and depth < _DEEPEST:
            for pattern in values:
                for included in _matches(pattern):
                    yield from config_lines(included, depth + 1)
        elif keyword:
            yield keyword, values


def _words(line: str) -> tuple[str, list[str]]:
    line = line.strip()
    if not line or line.startswith("#"):
        return "", []
    # `Host=name` and `Host = name` are allowed.
    keyword, _, rest = line.replace("=", " ", 1).partition(" ") if "=" in line else line.partition(" ")
    if "\t" in keyword:
        keyword, _, more = keyword.partition("\t")
        rest = f"{more} {rest}"
    try:
        return keyword.lower(), shlex.split(rest, comments=True)
    except ValueError:
        return keyword.lower(), rest.split()


def _matches(pattern: str) -> list[Path]:
    target = path(pattern)
    if not target.is_absolute():
        target = home() / ".ssh" / target
    anchor = Path(target.anchor)
    return sorted(anchor.glob(str(target.relative_to(anchor))))
