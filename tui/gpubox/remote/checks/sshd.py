"""Facts of the SSH server: its version, its effective settings and where they come from, how it is started.

As root the settings are those that `sshd -T` prints; since 9.3 `sshd -G` prints them for anyone who can read
the files. Else they are read from the files.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re

from gpubox.common import public_keys
from gpubox.remote.checks import commands, login_user, sshd_process
from gpubox.remote.checks.sshd_config import EVERYONE, MatchedLogin, SshdConfig, main_file
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]

KEYWORDS = (
    "allowgroups", "allowstreamlocalforwarding", "allowtcpforwarding", "allowusers",
    "authenticationmethods", "authorizedkeyscommand", "authorizedkeysfile", "denygroups", "denyusers",
    "disableforwarding", "forcecommand", "gatewayports", "hostkey", "kbdinteractiveauthentication",
    "kexalgorithms", "listenaddress", "logingracetime", "maxauthtries", "maxsessions", "maxstartups",
    "passwordauthentication", "permitemptypasswords", "permitlisten", "permitopen", "permitrootlogin",
    "permituserenvironment", "persourcemaxstartups", "persourcepenalties", "port",
    "pubkeyauthentication", "requiredrsasize", "strictmodes", "trustedusercakeys", "usepam",
    "x11forwarding", "x11uselocalhost", "xauthlocation",
)  # fmt: skip
"""The settings that are sent."""
UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
"""Debian and Ubuntu call it ssh, the others sshd."""
PAM = re.compile(r"^\s*auth\s.*\b(pam_(?:google_authenticator|duo|oath|u2f|yubico|radius|sss_gss))\.so", re.M)
"""Modules that ask for more than a password."""
HOST_KEYS = tuple("/etc/ssh/ssh_host_%s_key" % kind for kind in ("rsa", "ecdsa", "ed25519"))
VALUE = 2000
"""Most characters of a setting."""
OVERRIDES = 40
"""Most lines inside of a Match that are sent."""
NAMES = 20
"""Most names of files that are sent."""
DUMPS = 9, 3
"""Since this version `sshd -G` prints the settings without host keys."""


def gather() -> Row:
    """Return the facts."""
    above = sshd_process.ancestors()
    server = sshd_process.server(above)
    program = commands.which("sshd")
    version = release()
    link = sshd_process.connection(above)
    config = read(server, link)
    path = server.config or main_file()
    dump, general, error = dumped(program, version, path, server.options, link)
    return {
        "user": login_user.name(),
        "root": os.geteuid() == 0,
        "installed": bool(program),
        "version": version,
        "server": server.kind,
        "config": path,
        "exact": bool(dump),
        "error": error,
        "readable": bool(config.files),
        "hidden": config.hidden[:NAMES],
        "before_hidden": config.before_hidden() if config.hidden else [],
        "settings": settings(config, dump, general),
        "undecided": sorted(
            {line.keyword for line in config.overrides() if line.applies is None and not dump}
        ),
        "overrides": [
            {"keyword": line.keyword, "value": line.value[:200], "match": line.match, "where": line.where}
            for line in config.overrides()
            if line.keyword in KEYWORDS
        ][:OVERRIDES],
        **drop_ins(config, path),
        "host_keys": host_keys(config),
        "second_factor": second_factor(),
        "pam": os.path.isfile(rooted("/etc/pam.d/sshd")),
        "exchanges": [name[:80] for name in commands.lines("ssh", "-Q", "kex", seconds=commands.QUICK)][
            :NAMES
        ],
        "listens": sshd_process.listens(above),
        "init": init(),
        "units": units(),
        "separation": os.path.isdir(rooted("/run/sshd")),
    }


def release() -> str:
    """Return the version of OpenSSH, such as 9.2, or ""; a server without -V prints it with its usage."""
    for program in ("sshd", "ssh"):
        done = commands.run(program, "-V")
        found = re.search(r"OpenSSH_(?:for_\w+_)?(\d{1,3}\.\d{1,3})", done.err + done.out) if done else None
        if found:
            return found.group(1)
    return ""


def read(server: sshd_process.SshServer, link: List[str]) -> SshdConfig:
    """Return the files of the server that let us in, or of the usual one."""
    return SshdConfig(server.config or main_file(), matched(link), server.options)


def matched(link: List[str]) -> MatchedLogin:
    """Return what Match compares of a login of this user; `link` is that of sshd_process.connection."""
    return MatchedLogin(login_user.name(), groups(), *([link[0], link[2], link[3]] if link else []))


def groups() -> List[str]:
    """Return the names of the groups of the user."""
    import grp
    import pwd

    found: List[str] = []
    try:
        numbers = os.getgrouplist(login_user.name(), pwd.getpwuid(login_user.uid()).pw_gid)[:256]
    except (KeyError, OSError):
        return []
    for number in numbers:
        with contextlib.suppress(KeyError):  # sshd, too, compares only those with a name
            found.append(grp.getgrgid(number).gr_name)
    return found


def dumped(
    program: str, version: str, path: str, options: List[str], link: List[str]
) -> Tuple[Dict[str, str], Dict[str, str], str]:
    """Return the effective settings for this login and outside any Match, as sshd prints them.

    Without them the third value is sshd's own reason, or "" when it was not asked.
    """
    letters = ["-T"] if os.geteuid() == 0 else []
    if tuple(map(int, version.split("."))) >= DUMPS if version else False:
        letters.append("-G")
    error = ""
    for letter in letters if program else ():
        argv = [program, letter, "-f", rooted(path)]
        for option in options:
            argv += ["-o", option]
        done = commands.run(*argv, "-C", spec(link), seconds=commands.QUICK)
        if done is None:
            error = error or "sshd took too long"
        elif done.status:
            error = error or last_line(done.err) or "sshd ended with status %d" % done.status
        else:
            # Without -C it fails where a Match compares a port; the files say the rest then.
            return table(done.out), table(commands.output(*argv, seconds=commands.QUICK)), ""
    return {}, {}, error


def spec(link: List[str]) -> str:
    """Return what -C takes to describe this login."""
    address, _, here, port = link or ["127.0.0.1", "", "127.0.0.1", "22"]
    words = [
        "user=" + login_user.name(),
        "host=" + address,
        "addr=" + address,
        "laddr=" + here,
        "lport=" + port,
    ]
    return ",".join([*words, "rdomain="])


def table(text: str) -> Dict[str, str]:
    """Return the settings that sshd printed; values of a repeated keyword are joined."""
    found: Dict[str, List[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword.lower(), []).append(value)
    return {keyword: " ".join(values) for keyword, values in found.items()}


def last_line(text: str) -> str:
    """Return the last line of an error, which says the most; the one before when it is only a count."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and "terminating" in lines[-1]:
        lines.pop()
    return lines[-1][:300] if lines else ""


def settings(config: SshdConfig, dump: Dict[str, str], general: Dict[str, str]) -> Dict[str, Row]:
    """Return each known setting: its value for this login and outside any Match, and where these are set."""
    rows: Dict[str, Row] = {}
    matched = {line.keyword for line in config.overrides()}
    for keyword in KEYWORDS:
        here, outside = config.mine(keyword), config.general(keyword)
        mine = dump.get(keyword, here.value if here and not dump else "")
        theirs = general.get(keyword, outside.value if outside and not general else "")
        if dump and not general and keyword not in matched:
            theirs = mine
        if mine or theirs:
            rows[keyword] = {
                "value": mine[:VALUE],
                "where": here.where if here else "",
                "general": theirs[:VALUE],
                "general_where": outside.where if outside else "",
            }
    return rows


def drop_ins(config: SshdConfig, path: str) -> Row:
    """Return where the main file includes the folder of drop-ins, what is set before, and which are there."""
    folder = os.path.join(os.path.dirname(path), "sshd_config.d")
    if not os.path.isdir(rooted(folder)):
        folder = "/etc/ssh/sshd_config.d"
    found = next((one for one in config.includes if os.path.dirname(one.pattern) == folder), None)
    place = found.place if found else 0
    before = [line for line in config.lines[:place] if line.match in EVERYONE]
    return {
        "folder": folder,
        "include": found.where if found else "",
        "before_include": sorted({line.keyword for line in before if line.where.startswith(path + ":")}),
        "drop_ins": [name for name in listing(rooted(folder)) if name.endswith(".conf")][:NAMES],
    }


def host_keys(config: SshdConfig) -> List[Row]:
    """Return type and size of the server's own keys, by their public files."""
    line = config.general("hostkey")
    rows: List[Row] = []
    for path in (line.value.split() if line else HOST_KEYS)[:8]:
        key = public_keys.parsed(read_text(rooted(path + ".pub"), 1 << 14))
        if key is not None:
            rows.append({"path": path, "kind": key.kind, "bits": key.bits})
    return rows


def second_factor() -> str:
    """Return the module of PAM that asks for more than a password, or ""."""
    found = PAM.search(read_text(rooted("/etc/pam.d/sshd")))
    return found.group(1) if found else ""


def init() -> str:
    """Return what starts services here: systemd, openrc, sysv, or ""."""
    if commands.has_systemd():
        return "systemd"
    if os.path.isdir(rooted("/run/openrc")):
        return "openrc"
    return "sysv" if glob.glob(rooted("/etc/init.d/ssh*")) else ""


def units() -> List[Row]:
    """Return the units of systemd for sshd that are here; without systemd, the names of init scripts."""
    if not commands.has_systemd():
        names = [name for name in ("ssh", "sshd") if os.path.exists(rooted("/etc/init.d/" + name))]
        return [{"name": name} for name in names]
    asked = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
    text = commands.output("systemctl", "show", *("--property=" + name for name in asked), *UNITS)
    rows: Dict[str, Row] = {}
    for block in text.split("\n\n"):
        found = dict(re.findall(r"^(\w+)=(.*)$", block, re.M))
        name: Optional[str] = found.get("Id")
        if name and found.get("LoadState") in ("loaded", "masked"):
            rows[name] = {
                "name": name,
                "active": found.get("ActiveState") == "active",
                "file_state": found.get("UnitFileState", ""),
                "reload": found.get("NeedDaemonReload") == "yes",
            }
    return list(rows.values())
