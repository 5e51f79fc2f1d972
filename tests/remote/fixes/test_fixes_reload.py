"""How sshd is made to read its files again: by systemd, OpenRC, or a signal; never without a test."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from gpubox.remote import process_tree
from gpubox.remote.checks import sshd_process
from gpubox.remote.checks.sshd_config import MAIN
from gpubox.remote.checks.sshd_process import ShownProcess
from gpubox.remote.fixes import reload, sshd


class Services:
    """A manager of services that notes what it is asked for."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        (folder / "bin").mkdir()
        patch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
        patch.setenv("GPUBOX_ROOT", str(folder))
        patch.setattr(sshd, "test", Mock(return_value=""))
        patch.setattr(reload, "listener", Mock(return_value=None))

    def systemd(self, *active: str, failing: str = "none") -> None:
        """Be systemd, with some active units and a verb that fails."""
        (self.folder / "run" / "systemd" / "system").mkdir(parents=True)
        cases = "".join(f'"-q is-active {unit}") exit 0;; ' for unit in active)
        fails = f'"{failing}"*) echo "{failing} failed" >&2; exit 1;;'
        self._program("systemctl", f'case "$*" in {cases} "-q is-active"*) exit 3;; {fails} esac')

    def openrc(self) -> None:
        """Be OpenRC."""
        (self.folder / "run" / "openrc").mkdir(parents=True)
        self._program("rc-service", "")

    def _program(self, name: str, script: str) -> None:
        place = self.folder / "bin" / name
        place.write_text(f'#!/bin/sh\n{script}\necho "{name} $*" >> {self.log}\n')
        place.chmod(0o755)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    return Services(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("active", "options", "asked", "what"),
    [
        (["ssh.service"], ["x11forwarding"], ["systemctl reload ssh.service"], "ssh.service"),
        (["sshd.service"], ["port"], ["systemctl reload sshd.service"], "sshd.service"),
        (["ssh.socket"], ["x11forwarding"], [], "ssh.socket"),
        (["ssh.socket"], ["port"], ["systemctl daemon-reload", "systemctl restart ssh.socket"], "ssh.socket"),
        (
            ["ssh.service", "sshd.service", "ssh.socket"],
            ["listenaddress"],
            ["systemctl reload ssh.service", "systemctl daemon-reload", "systemctl restart ssh.socket"],
            "ssh.service",
        ),
        ([], ["port"], [], ""),
    ],
)  # fmt: skip
def test_the_active_unit_of_systemd_is_reloaded(
    services: Services, active: list[str], options: list[str], asked: list[str], what: str
) -> None:
    services.systemd(*active)
    assert reload.reload(MAIN[0], None, options) == (what, "")
    assert services.asked() == asked


def test_a_reload_that_fails_is_reported(services: Services) -> None:
    services.systemd("ssh.service", failing="reload")
    assert reload.reload(MAIN[0], None, []) == ("", "systemctl reload ssh.service: reload failed")


def test_openrc_reloads_its_service(services: Services) -> None:
    services.openrc()
    assert reload.reload(MAIN[0], None, []) == ("sshd", "")
    assert reload.revive(MAIN[0], None, "sshd") == ("sshd", "")
    assert services.asked() == ["rc-service sshd reload", "rc-service sshd restart"]


def test_a_unit_that_ended_is_started_again(services: Services) -> None:
    services.systemd()
    assert reload.revive(MAIN[0], None, "ssh.service") == ("ssh.service", "")
    assert services.asked() == ["systemctl start ssh.service"]


def test_a_unit_that_is_active_is_left_alone(services: Services) -> None:
    services.systemd("ssh.service")
    assert reload.revive(MAIN[0], None, "ssh.service") is None


def test_another_sshd_than_that_of_the_system_is_not_the_managers_affair(services: Services) -> None:
    services.systemd("ssh.service")
    assert reload.reload("/srv/other/sshd_config", None, []) == ("", "")
    assert services.asked() == []


def test_nothing_is_reloaded_when_sshd_refuses_its_files(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.systemd("ssh.service")
    monkeypatch.setattr(sshd, "test", Mock(return_value="line 3: bad"))
    assert reload.reload(MAIN[0], None, []) == ("", "sshd refuses its configuration: line 3: bad")
    assert services.asked() == []


def test_the_topmost_listener_with_this_configuration_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    uid, me = os.geteuid(), os.getpid()
    title = "sshd: /usr/sbin/sshd -D -f %s [listener] 0 of 10-100 startups"
    above = [
        ShownProcess(11, 12, uid, "sh", "-sh"),
        ShownProcess(12, 13, uid, "sshd", "sshd: ada@pts/0"),
        ShownProcess(13, 14, uid + 1, "sshd", title % "/a/config"),
        ShownProcess(14, 15, uid, "sshd", title % "/b/config"),
        ShownProcess(me, 1, uid, "sshd", title % "/a/config"),
    ]
    monkeypatch.setattr(reload.sshd_process, "ancestors", lambda: above)
    assert reload.listener("/a/config") == process_tree.identity(me)


def test_the_listener_of_the_system_has_no_file_in_its_title() -> None:
    plain = ShownProcess(1, 0, 0, "sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups")
    assert sshd_process.serves(plain, "/etc/ssh/sshd_config")
    assert not sshd_process.serves(plain, "/a/config")
    assert not sshd_process.serves(plain._replace(uid=os.geteuid() + 1), "/etc/ssh/sshd_config")
    assert not sshd_process.serves(plain._replace(name="python"), "/etc/ssh/sshd_config")
