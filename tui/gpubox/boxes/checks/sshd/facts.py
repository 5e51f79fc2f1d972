"""Facts of the SSH server, as remote/checks/sshd.py gathers them, and how its settings are read from them."""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import CannotLook, Facts
from gpubox.core.bounds import Whole, whole
from gpubox.core.sanitize import clean

DROP_IN = "00-gpubox.conf"
"""The file that changes are suggested for: the first value wins, and files are read by name."""
_CLOUD_INIT = "50-cloud-init.conf"
"""Only root can read it on Ubuntu; cloud-init writes nothing but PasswordAuthentication to it."""
_DEFAULTS = {
    "allowstreamlocalforwarding": "yes",
    "allowtcpforwarding": "yes",
    "authenticationmethods": "any",
    "authorizedkeyscommand": "none",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
    "disableforwarding": "no",
    "gatewayports": "no",
    "kbdinteractiveauthentication": "yes",
    "kexalgorithms": "",
    "maxauthtries": "6",
    "maxsessions": "10",
    "maxstartups": "10:30:100",
    "passwordauthentication": "yes",
    "permitemptypasswords": "no",
    "permitopen": "any",
    "permitrootlogin": "prohibit-password",
    "persourcepenalties": "yes",
    "pubkeyauthentication": "yes",
    "requiredrsasize": "1024",
    "strictmodes": "yes",
    "trustedusercakeys": "none",
    "usepam": "no",
    "x11forwarding": "no",
    "x11uselocalhost": "yes",
    "xauthlocation": "",
}
"""What OpenSSH 8.5 to 10.5 do without a line."""


class SshdSetting(msgspec.Struct, frozen=True):
    """A setting of sshd, as a file or sshd itself gives it."""

    value: str = ""
    """For this login."""
    where: str = ""
    """File and line; empty for a default."""
    general: str = ""
    """Outside any Match; empty for the default."""
    general_where: str = ""


class SshdOverride(msgspec.Struct, frozen=True):
    """A line inside of a Match."""

    keyword: str
    """In lower case."""
    value: str
    match: str
    """The criteria of the Match."""
    where: str


class SshdUnit(msgspec.Struct, frozen=True):
    """A unit of systemd for sshd; without systemd the name of an init script."""

    name: str
    active: bool = False
    file_state: str = ""
    """`enabled`, `disabled`, `masked`..."""
    reload: bool = False
    """Whether systemd has not read a change of its file yet."""


class SshdHostKey(msgspec.Struct, frozen=True):
    """A key by which the server proves itself."""

    path: str
    kind: str
    bits: Whole | None = None


class SshdFacts(Facts, frozen=True):
    """The SSH server of the box."""

    SECTION: ClassVar[str] = "sshd"

    user: str = ""
    root: bool = False
    """Whether the facts were gathered as root."""
    installed: bool = False
    version: str = ""
    """Of OpenSSH, such as 9.2."""
    server: str = ""
    """What let this login in: sshd, dropbear, tailscaled; empty when it was none, or is hidden."""
    config: str = "/etc/ssh/sshd_config"
    exact: bool = False
    """Whether the settings are what sshd itself printed, and not read from files."""
    error: str = ""
    """Why sshd printed nothing; empty when it was not asked."""
    readable: bool = False
    """Whether the main file could be read."""
    hidden: tuple[str, ...] = ()
    """Included files that could not be read."""
    before_hidden: tuple[str, ...] = ()
    """Keywords that were set before those."""
    settings: dict[str, SshdSetting] = msgspec.field(default_factory=dict[str, SshdSetting])
    """By keyword in lower case."""
    undecided: tuple[str, ...] = ()
    """Keywords in a Match of which it is unknown whether it applies to this login."""
    overrides: tuple[SshdOverride, ...] = ()
    folder: str = "/etc/ssh/sshd_config.d"
    include: str = ""
    """File and line at which the main file includes that folder."""
    before_include: tuple[str, ...] = ()
    """Keywords that the main file sets before."""
    drop_ins: tuple[str, ...] = ()
    """Names of the files in that folder."""
    host_keys: tuple[SshdHostKey, ...] = ()
    second_factor: str = ""
    """The module of PAM that asks for more than a password."""
    pam: bool = False
    """Whether PAM has rules for sshd."""
    exchanges: tuple[str, ...] = ()
    """Key exchanges that this version of OpenSSH knows; empty where it did not say."""
    listens: bool | None = None
    """Whether an sshd waits for logins."""
    init: str = ""
    """systemd, openrc, sysv or nothing."""
    units: tuple[SshdUnit, ...] = ()
    separation: bool = True
    """Whether /run/sshd is there."""

    @property
    def release(self) -> tuple[int, int]:
        """The version as numbers; raises CannotLook when it is unknown."""
        found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", self.version)
        if not found:
            raise CannotLook("The version of OpenSSH is unknown; `ssh -V` on the box prints it")
        return int(found[1]), int(found[2])

    def value(self, keyword: str) -> str:
        """Return a setting for this login, by its keyword in lower case; raises CannotLook."""
        self._look(keyword)
        if keyword in self.undecided:
            why = "A Match sets it, and whether that applies to this login is unknown"
            raise CannotLook(f"{why}; look with `{self.command(keyword)}`")
        found = self.settings.get(keyword)
        return found.value if found and found.value else _DEFAULTS[keyword]

    def general(self, keyword: str) -> str:
        """Return a setting outside any Match; raises CannotLook."""
        self._look(keyword)
        found = self.settings.get(keyword)
        return found.general if found and found.general else _DEFAULTS[keyword]

    def number(self, keyword: str) -> int:
        """Return a number for this login; raises CannotLook."""
        found = whole(self.value(keyword))
        if found is None:
            raise CannotLook(f"The value is no number: {clean(self.value(keyword), 40)}")
        return found

    def match_where(self, keyword: str) -> str:
        """Return file and line inside of a Match that decide for this login; empty where none does."""
        found = self.settings.get(keyword, SshdSetting())
        return found.where if found.where != found.general_where else ""

    def exceptions(self, keyword: str, *values: str) -> list[SshdOverride]:
        """Return the lines inside of a Match that set a keyword to one of the values."""
        return [one for one in self.overrides if one.keyword == keyword and one.value.lower() in values]

    def alone(self, method: str) -> bool:
        """Return whether a way to log in is enough without another one, by AuthenticationMethods."""
        lists = self.general("authenticationmethods").split()
        return any(one.partition(":")[0] in ("any", method) for one in lists)

    def details(self, *keywords: str) -> tuple[str, ...]:
        """Return who sets these keywords: file and line, a Match, or the default."""
        lines: list[str] = []
        for keyword in keywords:
            found = self.settings.get(keyword, SshdSetting())
            if found.general_where:
                lines.append(f"{keyword} {clean(found.general, 80)} ({clean(found.general_where, 120)})")
            else:
                shown = found.general or _DEFAULTS[keyword] or "unset"
                lines.append(f"{keyword} {clean(shown, 80)} (default of OpenSSH {self.version or '?'})")
            lines += [
                f"{keyword} {clean(one.value, 80)} ({clean(one.where, 120)}, Match {clean(one.match, 80)})"
                for one in self.overrides
                if one.keyword == keyword
            ]
        if self.hidden and not self.exact:
            lines.append(f"not readable: {', '.join(clean(path, 80) for path in self.hidden[:3])}")
        return tuple(lines[:12])

    def command(self, keyword: str) -> str:
        """Return the command by which root sees a setting."""
        return f"sudo sshd -T{self._of} | grep -i {keyword}"

    def change(self, setting: str, *, for_login: bool = False) -> str:
        """Return how to bring a line such as `MaxSessions 10` into effect, for everyone or for this login."""
        keyword = setting.partition(" ")[0].lower()
        match = self.match_where(keyword) if for_login else ""
        where = self.settings.get(keyword, SshdSetting()).general_where
        path, _, _ = where.rpartition(":")
        first = path.startswith(f"{self.folder}/") and path.rpartition("/")[2] <= DROP_IN
        if where == "command line" and not match:
            return f"Start sshd with -o {keyword}={setting.partition(' ')[2]}: its command line sets this"
        if match:
            begin = f"Change {clean(match, 120)}, which a Match has for this login, to `{setting}`"
        elif first:
            begin = f"Change {clean(where, 120)} to `{setting}`"
        elif self.include and keyword not in self.before_include:
            begin = f"Put `{setting}` into {self.folder}/{DROP_IN}"
        else:
            begin = f"Put `{setting}` at the top of {clean(self.config, 120)}"
        return f"{begin}, run `sudo sshd -t{self._of} && {self.reload}`; keep this login open meanwhile"

    @property
    def reload(self) -> str:
        """The command by which sshd reads its files again; open logins stay."""
        services = [unit for unit in self.units if not unit.name.endswith(".socket")]
        services.sort(key=lambda unit: not unit.active)
        name = clean(services[0].name.removesuffix(".service"), 40) if services else "sshd"
        if self.init == "systemd":
            return f"sudo systemctl reload {name}"
        if self.init == "openrc":
            return f"sudo rc-service {name} reload"
        if self.init == "sysv":
            return f"sudo service {name} reload"
        return "sudo kill -HUP $(cat /run/sshd.pid)"

    @property
    def _of(self) -> str:
        """The option that names the configuration, where that is not the usual one."""
        return "" if self.config == "/etc/ssh/sshd_config" else f" -f {clean(self.config, 120)}"

    def _look(self, keyword: str) -> None:
        if self.exact:
            return
        if not self.readable:
            raise CannotLook(
                f"Only root can read {clean(self.config, 120)}; look with `{self.command(keyword)}`"
            )
        unread = [
            path
            for path in self.hidden
            if path.rpartition("/")[2] != _CLOUD_INIT or keyword == "passwordauthentication"
        ]
        if unread and keyword not in self.before_hidden:
            names = ", ".join(clean(path, 80) for path in unread[:2])
            raise CannotLook(
                f"Only root can read {names}, which may set it; look with `{self.command(keyword)}`"
            )
