"""The facts of the operating system: from trees of files, and as this machine gives them."""

from __future__ import annotations

import os
import threading
import time

import msgspec
import pytest

from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.boxes.checks.unit_state import UnitState
from gpubox.remote.checks import commands, parts, power, system, updates
from tests.remote.checks.trees import Tree, tree

__all__ = ["tree"]

APT = """\
Listing...
libssl3/jammy-updates,jammy-security 3.0.2-0ubuntu1.20 amd64 [upgradable from: 3.0.2-0ubuntu1.19]
vim/jammy-updates 2:8.2.3995-1ubuntu2.24 amd64 [upgradable from: 2:8.2.3995-1ubuntu2.23]
curl/now 1.0 amd64 [installed,local]
"""


def test_the_facts_of_this_machine_can_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUBOX_ROOT", raising=False)
    before = time.time()
    facts = msgspec.convert(system.gather(), SystemFacts)
    assert before <= facts.time <= time.time()
    assert facts.kernel == os.uname().release
    assert facts.user


def test_a_box_without_anything_has_facts(tree: Tree) -> None:
    facts = msgspec.convert(system.gather(), SystemFacts)
    assert facts.mounts == ()
    assert facts.memory is None
    assert facts.swap is None
    assert facts.log == ""
    assert not facts.linger


def test_settings_of_logind_are_read_as_systemd_reads_them(tree: Tree) -> None:
    tree.file("/etc/systemd/logind.conf", "[Login]\n#IdleAction=suspend\nKillUserProcesses=no\n")
    tree.file("/usr/lib/systemd/logind.conf.d/50-vendor.conf", "[Login]\nIdleAction = suspend\n")
    tree.file("/etc/systemd/logind.conf.d/60-mine.conf", "[Login]\nKillUserProcesses=yes\n")
    tree.file("/usr/lib/systemd/logind.conf.d/70-off.conf", "[Login]\nHandleLidSwitch=suspend\n")
    tree.file("/etc/systemd/logind.conf.d/70-off.conf", "[Login]\nHandleLidSwitch=ignore\n")
    found = power.gather()
    assert (found["idle"], found["kill_user_processes"], found["lid"]) == ("suspend", "yes", "ignore")
    assert found["kill_excludes"] == ["root"]
    assert found["kill_file"] == "/etc/systemd/logind.conf.d/60-mine.conf"


def test_the_file_that_decides_is_named_below_no_other_root(tree: Tree) -> None:
    assert power.gather()["kill_file"] == ""
    tree.file("/etc/systemd/logind.conf", "[Login]\nKillUserProcesses=yes\n")
    assert power.gather()["kill_file"] == "/etc/systemd/logind.conf"
    tree.file("/usr/lib/systemd/logind.conf.d/zz-vendor.conf", "[Login]\nKillUserProcesses=yes\n")
    tree.file("/etc/systemd/logind.conf.d/99-gpubox.conf", "[Login]\nKillUserProcesses=no\n")
    found = power.gather()
    assert (found["kill_user_processes"], found["kill_file"]) == (
        "yes",
        "/usr/lib/systemd/logind.conf.d/zz-vendor.conf",
    )


def test_logind_itself_is_asked_where_systemd_runs(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUBOX_ROOT")
    monkeypatch.setattr(commands, "has_systemd", lambda: True)
    tree.program("busctl", 's "ignore"\ns "suspend"\nb true\n')
    found = power.logind()
    assert (found["IdleAction"], found["HandleLidSwitch"], found["KillUserProcesses"]) == (
        "ignore",
        "suspend",
        "yes",
    )


def test_masked_targets_and_sleep_states_are_found(tree: Tree) -> None:
    tree.file("/sys/power/state", "freeze mem disk\n")
    tree.file("/etc/systemd/system/other")
    (tree.root / "etc/systemd/system/suspend.target").symlink_to("/dev/null")
    found = power.gather()
    assert found["masked"] == ["suspend.target"]
    assert found["can_suspend"]


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("14", 0), ("15", 900), ("30", 1800)])
def test_xfce_suspends_after_some_minutes(value: str, seconds: int) -> None:
    text = f'<channel><property name="inactivity-on-ac" type="uint" value="{value}"/></channel>'
    assert [row["seconds"] for row in power.xfce(text)] == ([seconds] if seconds else [])


def test_gnome_is_asked_for_its_settings(tree: Tree) -> None:
    script = tree.programs / "gsettings"
    script.write_text(
        '#!/bin/sh\n[ "$XDG_RUNTIME_DIR" = /proc/none ] || exit 1\n'
        'case "$3" in *-type) echo "\'suspend\'" ;; *) echo "uint32 1200" ;; esac\n'
    )
    script.chmod(0o755)
    tree.process(700, "/usr/libexec/gsd-power")
    assert power.desktop_sleeps() == [{"desktop": "GNOME", "action": "suspend", "seconds": 1200}]


def test_automatic_updates_are_read_from_the_settings_of_apt(tree: Tree) -> None:
    tree.file("/usr/bin/apt-get")
    assert updates.by_apt() is False
    tree.file("/usr/bin/unattended-upgrade")
    assert updates.by_apt() is None
    tree.file("/etc/apt/apt.conf.d/20auto-upgrades", 'APT::Periodic::Update-Package-Lists "1";\n'
              'APT::Periodic::Unattended-Upgrade "1";\n')  # fmt: skip
    assert updates.by_apt() is True
    tree.file(
        "/etc/apt/apt.conf.d/99off", '// APT::Periodic::Enable "1";\nAPT::Periodic::Unattended-Upgrade "0";\n'
    )
    assert updates.by_apt() is False


def test_updates_are_counted_from_the_words_of_apt_and_of_ubuntu() -> None:
    assert updates.upgradable(APT) == (2, 1)
    words = "\n37 updates can be applied immediately.\n5 of these updates are standard security updates.\n"
    assert updates.notified(words) == (37, 5)
    assert updates.notified("\n1 update can be applied immediately.\n") == (1, 0)
    assert updates.notified("Mises à jour") is None


def test_the_age_of_the_lists_is_known(tree: Tree) -> None:
    assert updates.age() is None
    stamp = tree.file("/var/lib/apt/periodic/update-success-stamp")
    os.utime(stamp, (time.time() - 1000, time.time() - 1000))
    assert (updates.age() or 0) >= 1000


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/usr/bin/dnf", "dnf"),
        ("/usr/bin/pacman", "pacman"),
        ("/usr/bin/apt-get", "apt"),
        ("/usr/bin/nix", ""),
    ],
)
def test_the_package_manager_is_recognized(tree: Tree, path: str, found: str) -> None:
    tree.file(path)
    assert updates.gather()["manager"] == found


def test_pacman_lists_what_it_knows_of(tree: Tree) -> None:
    tree.file("/usr/bin/pacman")
    tree.program("pacman", "linux 6.12.1-1 -> 6.12.4-1\nvim 9.1-1 -> 9.2-1\n")
    assert updates.gather()["pending"] == 2
    tree.program("pacman", "", status=1)
    assert updates.gather()["pending"] == 0


def test_clock_clients_are_found_by_their_cut_names(tree: Tree) -> None:
    tree.process(300, "/usr/lib/systemd/systemd-timesyncd")
    tree.process(301, "/usr/sbin/cron")
    assert system.clock_clients() == ["systemd-timesyncd"]


def test_services_of_the_clock_are_those_that_are_installed(tree: Tree) -> None:
    tree.program(
        "systemctl",
        "Id=chronyd.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n\n"
        "Id=systemd-timesyncd.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n",
    )
    facts = msgspec.convert(system.gather(), SystemFacts)
    assert facts.clock_units == (UnitState("systemd-timesyncd.service", "loaded", "enabled", "inactive"),)


def test_a_log_on_the_disk_is_found(tree: Tree) -> None:
    assert system.logs() == ""
    (tree.root / "run/log/journal").mkdir(parents=True)
    assert system.logs() == "memory"
    tree.file("/var/log/syslog")
    assert system.logs() == "syslog"
    (tree.root / "var/log/journal/0123").mkdir(parents=True)
    assert system.logs() == "journal"


def test_memory_counts_what_programs_could_get(tree: Tree) -> None:
    tree.file("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
    assert system.memory() == {"memory": 1024000, "available": 409600, "swap": 0}


def test_a_slow_part_costs_only_itself() -> None:
    released = threading.Event()

    def broken() -> None:
        raise OSError

    try:
        found = parts.gathered({"slow": released.wait, "quick": lambda: 7, "broken": broken}, 0.05)
    finally:
        released.set()
    assert found == {"quick": 7}
