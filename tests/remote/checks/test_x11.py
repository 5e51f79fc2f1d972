"""The facts of X11 over homes in a folder, with a stand-in for xauth."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gpubox.remote.checks import login_user, x11

COOKIE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home below the root of a box with an xauth that notes what it was asked."""
    folder = tmp_path / "home" / "ada"
    folder.mkdir(parents=True)
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/ada")
    for name in ("XAUTHORITY", "DISPLAY", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)
    answer(tmp_path, monkeypatch, f"echo box/unix:10 MIT-MAGIC-COOKIE-1 {COOKIE}")
    return folder


def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "xauth").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n{script}\n')
    (tmp_path / "bin" / "xauth").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")


def test_cookies_are_read_without_a_lock_and_not_sent(home: Path, tmp_path: Path) -> None:
    (home / ".Xauthority").write_text("x")
    (home / ".Xauthority").chmod(0o600)
    facts = x11.gather()
    assert (tmp_path / "asked").read_text() == f"-i -n -f {home}/.Xauthority list\n"
    assert COOKIE not in repr(facts)
    assert facts["xauth"] == f"{tmp_path}/bin/xauth"
    assert (facts["works"], facts["there"], facts["owner_uid"], facts["mode"]) == (
        True,
        True,
        os.getuid(),
        0o600,
    )
    assert facts["folder_writable"]


def test_a_home_without_cookies_yet_is_as_good(home: Path, tmp_path: Path) -> None:
    facts = x11.gather()
    assert (tmp_path / "asked").read_text() == "-V\n"
    assert (facts["works"], facts["there"], facts["path"]) == (True, False, "/home/ada/.Xauthority")


def test_what_xauth_complains_about_is_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".Xauthority").write_text("x")
    answer(tmp_path, monkeypatch, "echo first >&2; echo xauth: unable to read >&2; exit 1")
    facts = x11.gather()
    assert (facts["works"], facts["error"]) == (False, "xauth: unable to read")


def nothing(_program: str) -> str:
    """Return where a program is on a box that has none."""
    return ""


def test_a_box_without_xauth_is_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x11.commands, "which", nothing)
    facts = x11.gather()
    assert facts["xauth"] == ""
    assert "works" not in facts


def test_a_lock_that_was_left_is_found_with_its_age(home: Path) -> None:
    lock = home / ".Xauthority-c"
    lock.write_text("")
    os.utime(lock, (time.time() - 7200, time.time() - 7200))
    (found,) = x11.gather()["locks"]
    assert found["path"] == "/home/ada/.Xauthority-c"
    assert 7200 <= found["age"] < 10800


def test_behind_sudo_the_rights_of_the_user_count(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_user, "uid", lambda: os.getuid() + 1)
    home.chmod(0o755)
    assert not x11.may_write(str(home))
    home.chmod(0o777)
    assert x11.may_write(str(home))
    assert not x11.may_write(str(home / "missing"))


def test_another_file_of_cookies_is_followed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTHORITY", "/run/user/1/xauth")
    monkeypatch.setenv("DISPLAY", ":0")
    facts = x11.gather()
    assert (facts["path"], facts["folder_writable"], facts["display"]) == ("/run/user/1/xauth", False, True)
