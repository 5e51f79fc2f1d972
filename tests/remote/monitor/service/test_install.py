"""The service is installed, updated, stopped and removed, in each way that a box may allow."""

from __future__ import annotations

import json
import os
import pwd
import signal
from pathlib import Path

import pytest

from gpubox.remote.monitor import crontab, user_unit
from tests.remote.monitor.service.box import CRONTAB, VERSION, Box, tree
from tests.ssh.fakes import alive
from tests.waiting import until

SYSTEMCTL = """
echo "systemctl $*" >>"$HOME/../asked"
unit=$(ls "$HOME"/.config/systemd/user/gpubox-monitor-*.service 2>/dev/null)
case "$2" in
  enable) mkdir -p "${unit%/*}/default.target.wants"; ln -sf "$unit" "${unit%/*}/default.target.wants/";;
  disable) rm -f "${unit%/*}/default.target.wants/"*; end=1;;
  stop) end=1;;
esac
pid=$(sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' "$HOME"/.local/state/gpubox/*/monitor/lock 2>/dev/null)
[ -n "$end$again" ] && [ -n "$pid" ] && kill "$pid" 2>/dev/null
[ "$2" = restart ] && eval "exec setsid $(sed -n 's/^ExecStart=//p' "$unit") </dev/null >/dev/null 2>&1 &"
exit 0
"""
"""A stand-in for systemctl(1): notes what it is asked, and runs what the unit says."""
LOGINCTL = """
echo "loginctl $*" >>"$HOME/../asked"
users=$GPUBOX_ROOT/var/lib/systemd/linger
case $1 in
  enable-linger) mkdir -p "$users"; touch "$users/USER";;
  disable-linger) rm "$users/USER";;
esac
""".replace("USER", pwd.getpwuid(os.getuid()).pw_name)


@pytest.fixture
def cron(box: Box) -> Box:
    """A box without a manager of the user's systemd, with cron."""
    box.script("crontab", CRONTAB)
    return box


@pytest.fixture
def systemd(box: Box) -> Box:
    """A box with the user's systemd, which a login over ssh has no variable for."""
    box.script("systemctl", SYSTEMCTL)
    box.script("loginctl", LOGINCTL)
    (box.root / f"root/run/user/{os.getuid()}/bus").mkdir(parents=True)
    box.environment.pop("XDG_RUNTIME_DIR", None)
    box.script("crontab", "exit 1")
    return box


def asked(box: Box) -> list[str]:
    """Return what the stand-ins of systemd were asked."""
    path = box.root / "asked"
    return path.read_text().splitlines() if path.exists() else []


def unit_of(box: Box) -> Path:
    """Return the unit."""
    return next((box.home / ".config/systemd/user").glob("gpubox-monitor-*.service"))


def test_nothing_is_made_by_asking(cron: Box) -> None:
    answer = cron.request("status")
    assert (answer["installed"], answer["running"], answer["notes"]) == (False, False, [])
    assert tree(cron.home) == []
    for verb in ("start", "stop", "update"):
        assert cron.request(verb)["error"]["title"] == "The service is not installed"
    assert tree(cron.home) == []


def test_cron_starts_it_at_boot_and_it_runs_at_once(cron: Box) -> None:
    table = cron.root / "crontab"
    table.write_bytes(b"MAILTO=\xff\n# mine\n\n0 3 * * * backup %d\n")
    before, files = table.read_bytes(), tree(cron.home)
    answer = cron.request("install", interval=1.0, outlets={})
    assert (answer["way"], answer["running"], answer["version"]) == ("cron", True, VERSION)
    assert answer["interval"] == 1.0
    assert answer["notes"][0].startswith("No cron runs on the box")
    (line,) = [one for one in table.read_bytes().splitlines() if one.endswith(crontab.MARK)]
    assert table.read_bytes() == before + line + b"\n"
    assert line.startswith(b"@reboot ")
    until(lambda: cron.request("status").get("frames", 0) > 1)
    again = cron.request("install")
    assert (again["pid"], again["interval"]) == (answer["pid"], 1.0)
    gone = cron.request("remove")
    assert (gone["installed"], gone["running"]) == (False, False)
    assert not alive(answer["pid"])
    assert table.read_bytes() == before
    assert tree(cron.home) == files


def test_a_crontab_that_only_we_had_is_removed(cron: Box) -> None:
    cron.request("install")
    assert (cron.root / "crontab").exists()
    cron.request("remove")
    assert not (cron.root / "crontab").exists()


def test_a_box_without_systemd_and_cron_says_how_it_is_started(any_box: Box) -> None:
    any_box.script("crontab", "echo 'You (ada) are not allowed to use this program' >&2; exit 1")
    answer = any_box.request("install")
    assert (answer["way"], answer["running"]) == ("hand", True)
    assert "by hand: " in answer["notes"][0]
    assert str(any_box.folder / "program" / VERSION) in answer["notes"][0]
    assert any_box.request("stop")["running"] is False
    assert not alive(answer["pid"])
    started = any_box.request("start")
    assert started["running"]
    assert started["pid"] != answer["pid"]
    os.kill(started["pid"], signal.SIGKILL)
    until(lambda: not any_box.request("status")["running"])
    assert any_box.request("start")["running"]
    any_box.request("remove")
    assert tree(any_box.home) == []


def test_systemd_starts_it_where_the_user_may_linger(systemd: Box) -> None:
    answer = systemd.request("install", outlets={"recorder": {"password": "s3cret"}})
    assert (answer["way"], answer["running"], answer["notes"]) == ("systemd", True, [])
    name = unit_of(systemd).name
    text = unit_of(systemd).read_text()
    assert "Restart=always" in text
    assert "s3cret" not in text
    assert asked(systemd) == [
        "loginctl enable-linger",
        "systemctl --user daemon-reload",
        f"systemctl --user enable {name}",
        f"systemctl --user restart {name}",
    ]
    assert systemd.request("stop")["running"] is False
    assert asked(systemd)[-1] == f"systemctl --user stop {name}"
    assert not alive(answer["pid"])
    assert systemd.request("start")["running"]
    systemd.request("remove")
    assert asked(systemd)[-1] == "loginctl disable-linger"
    assert tree(systemd.home) == []


def test_lingering_that_was_there_before_stays(systemd: Box) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    linger = systemd.root / "root/var/lib/systemd/linger" / user
    linger.parent.mkdir(parents=True)
    linger.touch()
    mine = systemd.home / ".config/systemd/user/mine.service"
    mine.parent.mkdir(parents=True)
    mine.write_text("[Service]\n")
    systemd.request("install")
    answer = systemd.request("remove")
    assert [line for line in asked(systemd) if "linger" in line] == []
    assert linger.exists()
    assert answer["notes"] == []
    assert tree(systemd.home) == [
        ".config", ".config/systemd", ".config/systemd/user", ".config/systemd/user/mine.service"
    ]  # fmt: skip


def test_a_user_who_may_not_linger_gets_a_line_of_cron(systemd: Box) -> None:
    systemd.script("loginctl", "echo 'Access denied' >&2; exit 1")
    systemd.script("crontab", CRONTAB)
    assert systemd.request("install")["way"] == "cron"
    assert not (systemd.home / ".config").exists()


def test_a_unit_without_lingering_says_that_it_ends_with_the_login(systemd: Box) -> None:
    systemd.script("loginctl", "exit 1")
    answer = systemd.request("install")
    assert answer["way"] == "systemd"
    assert "only while you are logged in" in answer["notes"][0]


def test_a_systemd_that_refuses_is_reported_and_removed_after(systemd: Box) -> None:
    systemd.script("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    error = systemd.request("install")["error"]
    assert error["title"] == "systemd refused"
    assert "daemon-reload: Failed to connect to bus" in error["text"]
    systemd.request("remove")
    assert tree(systemd.home) == []


def test_another_version_replaces_the_one_that_runs(cron: Box) -> None:
    before = cron.request("install", interval=2.0, outlets={"recorder": {}})
    newer = cron.root / "monitor-fedcba9876543210"
    cron.program.rename(newer)
    cron.program = newer
    assert cron.request("status")["version"] == VERSION
    after = cron.request("update")
    assert (after["version"], after["interval"]) == ("fedcba9876543210", 2.0)
    assert not alive(before["pid"])
    assert [path.name for path in (cron.folder / "program").iterdir()] == ["fedcba9876543210"]
    assert (cron.root / "crontab").read_bytes().count(crontab.MARK) == 1
    config = json.loads((cron.folder / "config.json").read_text())
    assert config["outlets"] == {"recorder": {}}


def test_options_change_only_what_they_name_without_a_restart(cron: Box) -> None:
    first = cron.request("install", interval=1.0, outlets={"recorder": {"a": 1}, "other": {}})
    second = cron.request("install", outlets={"other": None})
    assert second["pid"] == first["pid"]
    assert (second["interval"], [one["name"] for one in second["outlets"]][1:]) == (1.0, ["recorder"])
    error = cron.request("install", interval=500)["error"]
    assert error["title"] == "This cannot be configured"
    assert cron.request("status")["pid"] == first["pid"]


def test_the_configuration_is_private(cron: Box) -> None:
    cron.request("install", outlets={"recorder": {"psk": "s3cret"}})
    assert (cron.folder / "config.json").stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in (cron.folder / "config.json").read_text()
    secret = cron.folder / "secrets/recorder.psk"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("s3cret\n", 0o600)
    assert "s3cret" not in json.dumps(cron.request("status"))
    command = Path(f"/proc/{cron.request('status')['pid']}/cmdline").read_bytes()
    assert b"s3cret" not in command
    cron.request("install", outlets={"recorder": None})
    assert not secret.exists()


def test_a_home_with_odd_characters_is_quoted_for_systemd_and_cron() -> None:
    word = 'a b"c\\d$e%f'
    assert user_unit.quoted(word) == '"a b\\"c\\\\d$$e%%f"'
    line = crontab.line(["/x y/python", "100%"])
    assert line == b"@reboot '/x y/python' 100\\% >/dev/null 2>&1 # gpubox-tui monitoring\n"


def test_our_line_alone_leaves_a_crontab() -> None:
    ours = crontab.line(["python"])
    for table in (b"", b"a\n", b"a\n\nb # gpubox-tui monitoring is fine\n", b"\xff\r\n"):
        assert crontab.without(table + ours) == table
        assert crontab.without(ours + table) == table


def test_a_test_message_needs_a_service_with_channels(cron: Box) -> None:
    assert cron.request("test")["error"]["title"] == "The service is not installed"
    cron.request("install", interval=1.0)
    assert cron.request("test")["error"]["text"] == "The service has no channels for messages"
    cron.request("install", outlets={"messages": {"channels": []}})
    assert cron.request("test")["running"]
    cron.request("stop")
    assert cron.request("test")["error"]["text"] == "The service does not run"
