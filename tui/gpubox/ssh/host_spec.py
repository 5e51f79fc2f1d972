"""A box as the user named it, before the ssh configuration is consulted."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

_BAD_HOST = re.compile(r"[\x00-\x20\x7f'\"`$\\;&<>|(){}]|^-|^$")
_BAD_USER = re.compile(r"[\x00-\x20\x7f'\"`$;&<>|(){}]|^-|\\$")
"""What OpenSSH refuses in names too: they may reach a shell through ProxyCommand.

Its valid_hostname and valid_ruser (ssh.c): a user name may hold `@`, and a backslash anywhere but at its end.
"""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What to log in to; an empty field leaves the choice to ssh's configuration."""

    host: str
    """Host name, address or alias of ~/.ssh/config."""
    user: str = ""
    """Login name."""
    port: int = 0
    """Port; 0 leaves it to ssh."""
    identity: str = ""
    """Private key file, as for `ssh -i`."""
    jump: str = ""
    """Jump hosts, as for `ssh -J`; `none` switches off what the configuration says."""
    config_file: Path | None = None
    """Read instead of ~/.ssh/config and the system's, as for `ssh -F`."""
    known_hosts: Path | None = None
    """The only known_hosts file to look at and to add to."""

    @property
    def typed(self) -> str:
        """What the user types after `ssh` or `ssh-copy-id` to mean this box."""
        words = ["-p", str(self.port)] if self.port else []
        words += ["-o", f"ProxyJump={self.jump}"] if self.jump not in ("", "none") else []
        words.append(f"{self.user}@{self.host}" if self.user else self.host)
        return shlex.join(words)

    def check(self) -> None:
        """Raise ConfigError when a name could be taken for an option or for a shell's syntax."""
        for what, name, bad in (("host", self.host, _BAD_HOST), ("user", self.user, _BAD_USER)):
            if bad.search(name):
                raise ConfigError(
                    f"Not a {what} name",
                    f"`{clean(name, 80)}` holds a character that no {what} name has",
                    "Write an alias of ~/.ssh/config, HOST, or USER@HOST:PORT",
                )


def hops(jump: str) -> list[HostSpec]:
    """Return the hosts of a ProxyJump value, first hop first; `none` and an empty value give no hop.

    Raises ConfigError when one of them is no host.
    """
    if jump.lower() in ("", "none"):
        return []
    return [_hop(part.strip(), jump) for part in jump.split(",")]


_HOP = re.compile(r"(?:(?P<user>.*)@)?(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:@]+))(?::(?P<port>\d{1,5}))?")


def _hop(text: str, whole: str) -> HostSpec:
    match = _HOP.fullmatch(text.removeprefix("ssh://"))
    port = int(match["port"] or 0) if match else 0
    if match is None or port > 65535:
        raise ConfigError(
            "Not a jump host", f"`{clean(text, 80)}` in `{clean(whole, 80)}`", "Write USER@HOST:PORT"
        )
    spec = HostSpec(match["six"] or match["host"], user=match["user"] or "", port=port)
    spec.check()
    return spec
