"""The facts of the login over homes in a folder."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from gpubox.remote.checks import login, login_user
from tests.common.test_public_keys import key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home below the root of a box, whose user is who runs the tests."""
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("SSH_USER_AUTH", raising=False)
    folder = tmp_path / "home" / "ada"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return folder


def with_keys(home: Path, text: str, name: str = ".ssh/authorized_keys") -> Path:
    path = home / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def lay(home: Path, path: str, text: str) -> None:
    target = home.parents[1] / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def keys() -> list[dict[str, Any]]:
    return login.gather()["keys"]


def test_keys_are_listed_with_their_lines_and_without_themselves(home: Path) -> None:
    with_keys(home, f"# mine\n{key(mark=1)} me\n\nno key\n{key(mark=2)}\n")
    with_keys(home, f"{key(mark=1)}\n", ".ssh/authorized_keys2")
    facts = login.gather()
    path = "/home/ada/.ssh/authorized_keys"
    assert [one["where"] for one in facts["keys"]] == [f"{path}:2", f"{path}:5", f"{path}2:1"]
    assert facts["broken"] == [f"{path}:4"]
    assert facts["keys"][0]["fingerprint"] == facts["keys"][2]["fingerprint"]
    assert key().split()[1] not in repr(facts)


def test_more_keys_than_are_sent_are_counted(home: Path) -> None:
    with_keys(home, f"{key()}\n" * (login.KEYS + 7))
    facts = login.gather()
    assert (len(facts["keys"]), facts["more_keys"]) == (login.KEYS, 7)


def test_the_files_are_those_that_sshd_is_reported_to_read(home: Path) -> None:
    lay(home, "/etc/ssh/sshd_config", "AuthorizedKeysFile /etc/ssh/keys/%u.%% .ssh/%U\n")
    lay(home, f"/etc/ssh/keys/{login_user.name()}.%", f"{key()}\n")
    facts = login.gather()
    assert [one["path"] for one in facts["files"]] == [
        f"/etc/ssh/keys/{login_user.name()}.%", f"/home/ada/.ssh/{login_user.uid()}"
    ]  # fmt: skip
    assert len(facts["keys"]) == 1
    outside = [one["path"] for one in facts["files"][0]["paths"]]
    assert outside[:3] == [f"/etc/ssh/keys/{login_user.name()}.%", "/etc/ssh/keys", "/etc/ssh"]


def test_a_file_that_is_missing_or_a_folder_is_said(home: Path) -> None:
    (home / ".ssh" / "authorized_keys").mkdir(parents=True)
    first, second = login.gather()["files"]
    assert "IsADirectoryError" in first["error"]
    assert first["paths"][0]["regular"] is False
    assert second["error"] == "missing"


def test_each_folder_up_to_the_home_has_its_mode_and_owner(home: Path) -> None:
    with_keys(home, key()).chmod(0o664)
    home.chmod(0o777)
    rows = login.gather()["files"][0]["paths"]
    assert [(row["path"], row["mode"]) for row in rows] == [
        ("/home/ada/.ssh/authorized_keys", 0o664), ("/home/ada/.ssh", 0o700), ("/home/ada", 0o777)
    ]  # fmt: skip
    assert {row["uid"] for row in rows} == {os.getuid()}
    assert rows[0]["regular"]


def test_a_link_is_followed_before_owners_are_looked_at(home: Path) -> None:
    real = with_keys(home, key(), "shared/keys")
    (home / ".ssh").symlink_to("shared")
    (home / "shared" / "authorized_keys").symlink_to(real)
    assert [row["path"] for row in login.gather()["files"][0]["paths"]] == [
        "/home/ada/shared/keys", "/home/ada/shared", "/home/ada"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("group", "passwd", "own"),
    [
        ("ada:x:77:\n", "ADA:x:1:77::/:/bin/sh\n", True),
        ("ada:x:77:ADA\n", "", True),
        ("ada:x:77:ADA,bob\n", "", False),
        ("ada:x:77:\n", "ADA:x:1:77::/:/bin/sh\nbob:x:2:77::/:/bin/sh\n", False),
    ],
)
def test_a_group_with_others_is_not_the_users_own(home: Path, group: str, passwd: str, own: bool) -> None:
    lay(home, "/etc/group", group.replace("ADA", login_user.name()))
    lay(home, "/etc/passwd", passwd.replace("ADA", login_user.name()))
    assert login.own_group(77) is own


@pytest.mark.parametrize(
    ("mounts", "kind", "source"),
    [
        ("/dev/sda1 / ext4 rw 0 0\n", "ext4", "/dev/sda1"),
        ("/dev/sda1 / ext4 rw 0 0\nnas:/home /home nfs4 rw 0 0\n", "nfs4", "nas:/home"),
        ("/dev/sda1 / ext4 rw 0 0\nnas:/h /home/ad nfs rw 0 0\n", "ext4", "/dev/sda1"),
        ("a / ext4 rw 0 0\n/home/.a\\040b /home/ada ecryptfs rw 0 0\n", "ecryptfs", "/home/.a\\040b"),
        ("garbage\n", "", ""),
    ],
)
def test_the_file_system_of_the_home_is_found(home: Path, mounts: str, kind: str, source: str) -> None:
    lay(home, "/proc/self/mounts", mounts)
    facts = login.gather()
    assert (facts["file_system"], facts["source"]) == (kind, source)
    assert facts["encrypted"] == ("ecryptfs" if kind == "ecryptfs" else "")


def test_debian_and_what_is_made_of_it_are_known(home: Path) -> None:
    lay(home, "/etc/os-release", 'NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n')
    assert login.debian()
    lay(home, "/etc/os-release", 'ID="rhel"\nID_LIKE="fedora"\n')
    assert not login.debian()


def test_what_chage_and_passwd_say_is_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    rows = "Last password change\\t: May 20, 2025\\nPassword expires\\t: password must be changed\\n"
    for name, script in (
        ("chage", f"printf '{rows}Account expires\\t\\t: Jan 02, 2026\\n'"),  # codespell:ignore chage
        ("passwd", f"echo {login_user.name()} NP 2025-05-20 0 99999 7 -1"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    facts = login.gather()
    assert facts["account_ends"] == 1767312000.0
    assert (facts["password_ends"], facts["password_overdue"], facts["password"]) == (None, True, "NP")


@pytest.mark.parametrize("text", ["never", "", "Smarch 13, 2026", "Jan 99, 2026", "01/02/2026"])
def test_a_date_that_is_none_is_none(text: str) -> None:
    found = login.day(text)
    assert found is None or text == "Jan 99, 2026"


def test_the_way_in_is_known_where_sshd_says_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert login.gather()["method"] == ""
    (tmp_path / "auth").write_text(f"publickey {key()}\n")
    monkeypatch.setenv("GPUBOX_ROOT", "")
    monkeypatch.setenv("SSH_USER_AUTH", str(tmp_path / "auth"))
    assert login.method() == "publickey"


def test_nologin_selinux_and_a_missing_home_are_said(home: Path) -> None:
    lay(home, "/run/nologin", "going down")
    lay(home, "/sys/fs/selinux/enforce", "1")
    home.rmdir()
    facts = login.gather()
    assert (facts["nologin"], facts["selinux"], facts["home_there"]) == ("/run/nologin", True, False)


def test_facts_of_this_machine_are_complete_and_change_nothing(home: Path) -> None:
    path = with_keys(home, key())
    before = path.stat()
    facts = login.gather()
    assert facts["user"] == login_user.name()
    assert abs(facts["time"] - time.time()) < 3600
    after = path.stat()
    assert (before.st_mtime_ns, stat.S_IMODE(before.st_mode)) == (
        after.st_mtime_ns,
        stat.S_IMODE(after.st_mode),
    )
    assert sorted(one.name for one in home.iterdir()) == [".ssh"]
