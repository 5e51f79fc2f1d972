"""Facts of what may put the box to sleep, or end the programs of a login: logind's settings and desktops'."""

from __future__ import annotations

import glob
import os
import re
import time

from gpubox.remote import users
from gpubox.remote.checks import commands, login_user, running
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]

SLEEP_TARGETS = ("sleep.target", "suspend.target", "hibernate.target", "hybrid-sleep.target")
"""Units that put a machine to sleep; a masked one cannot."""
SETTINGS = ("IdleAction", "HandleLidSwitch", "KillUserProcesses", "KillExcludeUsers")
"""Settings of logind that matter here."""
GNOME = "org.gnome.settings-daemon.plugins.power"
XFCE_MANAGER = "xfce4-power-manager"
XFCE = "/.config/xfce4/xfconf/xfce-perchannel-xml/xfce4-power-manager.xml"
GREETERS = ("gdm", "Debian-gdm", "gdm-greeter", "sddm", "lightdm")
"""Users that login screens run as."""


def gather() -> Row:
    """Return the facts, with the fields of system facts."""
    found = logind()
    return {
        "slept": slept(),
        "masked": masked(),
        "can_suspend": "mem" in read_text(rooted("/sys/power/state"), 256).split(),
        "idle": found.get("IdleAction", ""),
        "lid": found.get("HandleLidSwitch", ""),
        "has_lid": bool(listing(rooted("/proc/acpi/button/lid"))),
        "kill_user_processes": found.get("KillUserProcesses", ""),
        "kill_file": configured("KillUserProcesses")[1],
        "kill_excludes": found.get("KillExcludeUsers", "root").split()[:20],
        "desktop_sleeps": desktop_sleeps(),
        "greeter": greeter(),
    }


def slept() -> Optional[float]:
    """Return the seconds that the machine slept since it was booted, or None where the clocks do not say."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return None
    return max(0.0, time.clock_gettime(boottime) - time.clock_gettime(time.CLOCK_MONOTONIC))


def masked() -> List[str]:
    """Return the sleep targets that are masked, as a link to /dev/null."""
    return [
        name
        for name in SLEEP_TARGETS
        if os.path.realpath(rooted("/etc/systemd/system/" + name)) == "/dev/null"
    ]


def logind() -> Dict[str, str]:
    """Return the settings of logind: the effective ones where it says them, else those of its files."""
    found = {key: value for key, value in ((key, configured(key)[0]) for key in SETTINGS) if value}
    if commands.has_systemd() and not rooted(""):
        place = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
        # Without --auto-start=no the question would start logind where it does not run.
        said = commands.lines(
            "busctl", "--auto-start=no", "get-property", *place, *SETTINGS[:3], seconds=commands.QUICK
        )
        for key, line in zip(SETTINGS, said if len(said) == 3 else ()):
            value = line.partition(" ")[2].strip('"')
            found[key] = {"true": "yes", "false": "no"}.get(value, value)
    return found


def configured(key: str) -> Tuple[str, str]:
    """Return a setting of logind as its configuration files give it, and the file; "" where none does.

    Later files win, as systemd reads them; logind.conf itself comes first.
    """
    value = place = ""
    drops: Dict[str, str] = {}
    for folder in ("/usr/lib", "/usr/local/lib", "/run", "/etc"):
        for path in glob.glob(rooted(folder + "/systemd/logind.conf.d/*.conf")):
            drops[os.path.basename(path)] = path
    paths = [rooted("/usr/lib/systemd/logind.conf"), rooted("/etc/systemd/logind.conf")]
    for path in paths + [drops[name] for name in sorted(drops)]:
        for line in read_text(path).splitlines():
            found = re.match(r"\s*%s\s*=\s*(.*?)\s*$" % key, line)
            if found:
                value, place = found.group(1), path[len(rooted("")) :]
    return value[:200], place[:200]


def greeter() -> bool:
    """Return whether the login screen of GNOME runs: it has power settings of its own."""
    return any(users.name(one.uid) in GREETERS for one in running.named("gsd-power"))


def desktop_sleeps() -> List[Row]:
    """Return after how many seconds without input the user's desktops suspend the machine, if they do."""
    names = {one.name for one in running.named("gsd-power", XFCE_MANAGER) if one.uid == login_user.uid()}
    found: List[Row] = []
    if "gsd-power" in names and login_user.uid() == os.getuid():
        found += gnome()
    if XFCE_MANAGER[:15] in names:
        found += xfce(read_text(rooted(login_user.home() + XFCE)))
    return found


def gnome() -> List[Row]:
    """Return what GNOME does on mains power; nothing where it never suspends, or does not say."""
    action = setting("sleep-inactive-ac-type")
    seconds = setting("sleep-inactive-ac-timeout")
    if action in ("", "nothing", "blank") or not seconds.isdigit() or int(seconds) == 0:
        return []
    return [{"desktop": "GNOME", "action": action[:20], "seconds": int(seconds[:9])}]


def setting(key: str) -> str:
    """Return a setting of GNOME's power manager; "" where it is not known.

    The folder that does not exist keeps dconf from making one of its own.
    """
    said = commands.output(
        "env", "XDG_RUNTIME_DIR=/proc/none", "gsettings", "get", GNOME, key, seconds=commands.QUICK
    )
    return said.strip().rpartition(" ")[2].strip("'")


def xfce(text: str) -> List[Row]:
    """Return what Xfce's power manager does on mains power, from its settings.

    Its releases disagree on the number for "never": 0 in some, and up to 14 in others.
    """
    found = re.search(r'name="inactivity-on-ac"[^>]*value="(\d{1,6})"', text)
    minutes = int(found.group(1)) if found else 0
    return [{"desktop": "Xfce", "action": "suspend", "seconds": minutes * 60}] if minutes > 14 else []
