"""Facts of the driver's packages: versions, what an update would install, holds and pins, DKMS, headers.

The package manager is asked for what it knows already; nothing is refreshed over the network.
"""

from __future__ import annotations

import os
import re

from gpubox.remote.checks import commands, parts
from gpubox.remote.kernel_files import contents, listing, read_all, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]
    Versions = Dict[str, str]

MOST = 60
"""Most packages that are named."""
ASKED = 40
"""Most packages whose candidates are asked for: apt-cache takes 0.3 s for one, and 0.4 s for all of these."""
SECONDS = 2.3
"""Limit of a package manager, which may read all its lists; parts.SECONDS is a little longer."""
NAMES = re.compile(
    r"(?:lib)?nvidia-|nvidia$|cuda|(?:lib)?cudnn|(?:akmod|kmod|xorg-x11-drv)-nvidia|linux-modules-nvidia"
    r"|xserver-xorg-video-nvidia|linux-objects-nvidia"
)
"""Packages of the driver, of CUDA and of cuDNN."""
DRIVER = re.compile(
    r"(?:akmod|kmod|xorg-x11-drv)-nvidia|nvidia-(?:driver|open|dkms|kernel|utils|headless|compute-utils|tesla"
    r"|legacy|lts|\d+xx|smi)|nvidia$|cuda-drivers|libnvidia-compute|linux-modules-nvidia|libnvidia-ml"
)
"""Those of the driver itself; they are asked for first."""
MANAGERS = (("apt", "apt-cache"), ("dnf", "dnf"), ("zypper", "zypper"), ("pacman", "pacman"))
PINS = "/etc/apt/preferences.d"
LOCK_LIST, LOCK_TOML, LOCKS = (
    "/etc/dnf/plugins/versionlock.list",
    "/etc/dnf/versionlock.toml",
    "/etc/zypp/locks",
)
LOCK_LISTS = (LOCK_LIST, "/etc/yum/pluginconf.d/versionlock.list")
LOCK_SETTINGS = "/etc/dnf/plugins/versionlock.conf"
"""Settings of the plugin of dnf 4; dnf 5 needs no plugin."""
LOCK_SIZE = 1 << 16
"""Most bytes of a file of locks."""
MODULES = re.compile(rb"(?:^|[/\n])nvidia(?:-(?:current|tesla|legacy)[\w-]*)?\.ko")
"""Names of the driver's module; Debian adds words to it."""
KERNELS = 12
"""Most installed kernels whose modules are looked at."""


def gather() -> Row:
    """Return the facts."""
    manager = next((name for name, program in MANAGERS if commands.which(program)), "")
    found, epochs = installed(manager)
    names = sorted(found, key=lambda name: (not DRIVER.match(name), name))[:MOST]
    results = parts.gathered(
        {
            "candidates": lambda: candidates(manager, names[:ASKED]),
            "held": lambda: held(manager),
            "automatic": lambda: automatic(manager),
            "dkms": dkms,
            "modules": modules,
        }
    )
    facts: Row = {
        "manager": manager,
        "distribution": distribution(),
        "pinned": pinned(names),
        "lock_file": lock_file(manager),
        "headers": headers(),
        **(results.get("modules") or {}),
        "autobuilt": bool(commands.which("akmods")),
    }
    newest: Optional[Versions] = results.get("candidates")
    holds: List[str] = results.get("held") or []
    on, excluded = results.get("automatic") or (None, False)
    facts["packages"] = [
        {
            "name": name,
            "version": found[name],
            "epoch": epochs.get(name, 0),
            "candidate": (newest or {}).get(name, ""),
            "held": any(matches(name, hold) for hold in holds),
        }
        for name in names
    ]
    facts["candidates_known"] = newest is not None
    facts["automatic"], facts["excluded"] = on, excluded
    facts["dkms"] = results.get("dkms") or []
    return facts


def distribution() -> str:
    """Return the id and the release of the distribution, such as `ubuntu 24.04`."""
    text = read_text(rooted("/etc/os-release"), 8192) or read_text(rooted("/usr/lib/os-release"), 8192)
    values = dict(re.findall(r"^(ID|VERSION_ID)=[\"']?([^\"'\n]*)", text, re.M))
    return ("%s %s" % (values.get("ID", ""), values.get("VERSION_ID", ""))).strip()[:64]


def installed(manager: str) -> Tuple[Versions, Dict[str, int]]:
    """Return the versions of the installed packages that NAMES matches, and epochs of those that have one."""
    epochs: Dict[str, int] = {}
    if manager == "apt":
        pattern = "${db:Status-Abbrev} ${Package} ${Version}\n"
        rows = [line.split() for line in commands.lines("dpkg-query", "-W", "-f", pattern)]
        found = {row[1]: row[2] for row in rows if len(row) == 3 and row[0] in ("ii", "hi")}
    elif manager in ("dnf", "zypper"):
        pattern = "%{NAME} %{VERSION}-%{RELEASE} %{EPOCHNUM}\n"
        rows = [line.split() for line in commands.lines("rpm", "-qa", "--qf", pattern)]
        found = {row[0]: row[1] for row in rows if len(row) == 3}
        epochs = {row[0]: int(row[2]) for row in rows if len(row) == 3 and re.match(r"[1-9]\d{0,8}$", row[2])}
    elif manager == "pacman":
        rows = [line.split() for line in commands.lines("pacman", "-Q")]
        found = {row[0]: row[1] for row in rows if len(row) == 2}
    else:
        found = {}
    ours = {name[:80]: version[:80] for name, version in found.items() if NAMES.match(name)}
    return ours, epochs


def candidates(manager: str, names: List[str]) -> Optional[Versions]:
    """Return the versions that an update would install; None where the package manager does not say."""
    if not names:
        return {} if manager else None
    if manager == "apt":
        return policy(commands.output("apt-cache", "policy", *names, seconds=SECONDS)) or None
    if manager == "pacman":
        done = commands.run("pacman", "-Qu", seconds=SECONDS)  # by the lists of the last -Sy
        if done is None or (done.status and done.err.strip()):
            return None
        rows = [re.match(r"(\S+) \S+ -> (\S+)", line) for line in done.out.splitlines()]
        return {row.group(1): row.group(2) for row in rows if row}
    if manager == "dnf":
        done = commands.run("dnf", "-C", "-q", "list", "--upgrades", *names, seconds=SECONDS)
        if done is None or (done.status and "No matching" not in done.err + done.out):
            return None
        rows = [re.match(r"(\S+)\.\w+\s+(?:\d+:)?(\d\S*)\s+\S+", line) for line in done.out.splitlines()]
        return {row.group(1): row.group(2) for row in rows if row}
    return None


def policy(text: str) -> Versions:
    """Return the candidates of `apt-cache policy`; one that equals the installed version is no update."""
    found: Versions = {}
    name = before = ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":").partition(":")[0]
            continue
        word, _, value = line.strip().partition(": ")
        if word == "Installed":
            before = value.strip()
        elif word == "Candidate" and name:
            candidate = value.strip()[:80]
            found[name] = "" if candidate in (before, "(none)") else candidate
    return found


def held(manager: str) -> List[str]:
    """Return the names, maybe with wildcards, that updates leave as they are."""
    if manager == "apt":
        return [line.strip()[:80] for line in commands.lines("apt-mark", "showhold")]
    if manager == "pacman":
        text = read_text(rooted("/etc/pacman.conf"))
        return [
            word for line in re.findall(r"^\s*IgnorePkg\s*=\s*(.+)$", text, re.M) for word in line.split()
        ]
    found = by_zypper() if manager == "zypper" else by_dnf()
    return [name[:80] for name in found]


def by_dnf() -> List[str]:
    """Return the names that dnf locks; an entry that only leaves one version out is no lock."""
    found: List[str] = []
    for entry in read_text(rooted(LOCK_TOML)).split("[[packages]]")[1:]:
        name = re.search(r"^\s*name\s*=\s*[\"']([^\"']+)", entry, re.M)
        compared = re.findall(r"^\s*comparator\s*=\s*[\"']([^\"']*)", entry, re.M)
        if name and any(one != "!=" for one in compared):
            found.append(name.group(1))
    for path in LOCK_LISTS:
        found += [
            re.sub(r"-\d*:?\d[^-]*-[^-]*$", "", re.sub(r"^\d+:", "", line.strip()))
            for line in read_text(rooted(path)).splitlines()
            if re.match(r"[\w*].*-\d[^=]*$", line.strip())
        ]
    return found


def by_zypper() -> List[str]:
    """Return the names of packages that zypper locks, in whatever repository and version."""
    found: List[str] = []
    for entry in re.split(r"\n\s*\n", read_text(rooted(LOCKS))):
        pairs = dict(re.findall(r"^\s*(\w+)\s*:\s*(.*?)\s*$", entry, re.M))
        if pairs.get("type", "package") == "package" and not {"repo", "version"} & set(pairs):
            found.append(pairs.get("solvable_name", ""))
    return [name for name in found if name]


def lock_file(manager: str) -> Optional[Row]:
    """Return the file of locks of the package manager; None without one, or where it cannot be read whole."""
    path, kind = "", ""
    if manager == "zypper":
        path, kind = LOCKS, "zypp"
    elif manager == "dnf" and os.path.basename(os.path.realpath(commands.which("dnf"))) == "dnf5":
        path, kind = LOCK_TOML, "toml"
    elif manager == "dnf":
        settings = dict(re.findall(r"^\s*(\w+)\s*=\s*(\S+)\s*$", read_text(rooted(LOCK_SETTINGS)), re.M))
        if (
            settings.get("enabled", "").lower() in ("1", "yes", "true")
            and settings.get("locklist") == LOCK_LIST
        ):
            path, kind = LOCK_LIST, "list"
    if not path:
        return None
    data = b""
    try:
        if os.path.lexists(rooted(path)):
            data = read_all(rooted(path), LOCK_SIZE + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError):
        return None
    return None if len(data) > LOCK_SIZE else {"path": path, "kind": kind, "text": text}


def matches(name: str, hold: str) -> bool:
    """Return whether a hold, maybe with wildcards, is about a package."""
    if not re.search(r"[*?\[]", hold):
        return name == hold.partition(":")[0]
    import fnmatch

    return fnmatch.fnmatchcase(name, hold)


def pinned(names: List[str]) -> List[str]:
    """Return the files and packages that pin versions of the driver."""
    found = [name for name in names if name.startswith("nvidia-driver-pinning")]
    for name in [PINS + "/" + name for name in listing(rooted(PINS))] + ["/etc/apt/preferences"]:
        text = read_text(rooted(name), 65536)
        stanzas = re.split(r"\n\s*\n", text)
        about = [part for part in stanzas if re.search(r"^Package:.*(?:nvidia|cuda-drivers)", part, re.M)]
        if any(re.search(r"^Pin:\s*version", part, re.M) for part in about):
            found.append(name[:120])
    return found[:8]


def automatic(manager: str) -> Tuple[Optional[bool], bool]:
    """Return whether updates install themselves, and whether they leave the driver out."""
    if manager == "apt":
        text = commands.output("apt-config", "dump")
        if not text:
            return None, False
        switch = re.search(r'^APT::Periodic::Unattended-Upgrade "([^"]*)";', text, re.M)
        on = bool(switch and switch.group(1) not in ("", "0")) and bool(commands.which("unattended-upgrade"))
        blocked = re.findall(r'^Unattended-Upgrade::Package-Blacklist:: "([^"]+)";', text, re.M)
        return on, any("nvidia" in pattern for pattern in blocked)
    if manager in ("dnf", "zypper"):
        for unit in ("dnf5-automatic.timer", "dnf-automatic-install.timer", "dnf-automatic.timer"):
            if os.path.lexists(rooted("/etc/systemd/system/timers.target.wants/" + unit)):
                text = read_text(rooted("/etc/dnf/automatic.conf"))
                applies = unit == "dnf-automatic-install.timer" or bool(
                    re.search(r"^\s*apply_updates\s*=\s*(?:yes|true|1)", text, re.M | re.I)
                )
                excluded = re.search(r"^\s*exclude(?:pkgs)?\s*=.*nvidia", text, re.M)
                return applies, bool(excluded)
        return False, False
    return (False, False) if manager == "pacman" else (None, False)


def dkms() -> List[Row]:
    """Return the driver's states in DKMS."""
    rows: List[Row] = []
    for line in commands.lines("dkms", "status", seconds=SECONDS):
        # `nvidia/580.95.05, 6.8.0-50-generic, x86_64: installed`, before 3.0 `nvidia, 470.1, 5.10: added`
        found = re.match(r"(nvidia[\w.-]*)[/,]\s*([\w.~+-]+)(?:,\s*([^,:]+))?(?:,\s*[^:]+)?:\s*(\w+)", line)
        if found:
            module, version, kernel, state = found.groups()
            rows.append({"module": module, "version": version, "kernel": kernel or "", "state": state})
    return rows[:MOST]


def headers() -> Optional[bool]:
    """Return whether headers of the running kernel are there; None where the kernel's folder is not."""
    release = read_text(rooted("/proc/sys/kernel/osrelease"), 256)
    folder = rooted("/lib/modules/" + release)
    if not release or not os.path.isdir(folder):
        return None
    return os.path.exists(folder + "/build/Makefile") or os.path.exists(folder + "/build/include/generated")


def modules() -> Row:
    """Return the installed kernels that have a module of the driver, by their lists of modules."""
    built: List[str] = []
    known = False
    for release in listing(rooted("/lib/modules"))[-KERNELS:]:
        data = contents(rooted("/lib/modules/%s/modules.dep" % release), 4 << 20)
        known = known or bool(data)
        if MODULES.search(data):
            built.append(release[:80])
    return {"built": built, "modules_known": known}
