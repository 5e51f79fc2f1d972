"""An entry in the ssh configuration: what is there stays as it is, and ssh reads what was added."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.channels import LoginAddress
from gpubox.core.errors import ConfigError
from gpubox.ssh import config_entry, openssh_config
from gpubox.ssh.config_entry import ConfigEntry, add, entry, with_entry
from tests.ssh.fakes import needs_ssh

NEW = "Host xub\n    HostName 10.0.0.7\n"
KEY = Path("/keys/id_ed25519")


def address(file: Path, jump: str = "") -> LoginAddress:
    return LoginAddress("10.0.0.7", 2222, "ada", jump, config_file=file)


@given(st.binary(max_size=200))
def test_what_was_there_stays_the_beginning(before: bytes) -> None:
    after = with_entry(before, NEW)
    assert after.startswith(before)
    added = after.removeprefix(before)
    assert added.strip(b"\n") == NEW.strip("\n").encode()
    assert not before or (before + added).endswith(b"\n\n" + NEW.encode())


@given(st.binary(max_size=200), st.sampled_from([0o600, 0o644, 0o400]))
def test_a_configuration_keeps_its_bytes_and_its_mode(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, mode: int
) -> None:
    folder = tmp_path_factory.mktemp("config")
    real, link = folder / "dotfiles", folder / "config"
    real.write_bytes(before)
    real.chmod(mode)
    link.symlink_to(real)
    add(ConfigEntry(link, NEW))
    assert link.is_symlink()
    assert real.read_bytes() == with_entry(before, NEW)
    assert real.stat().st_mode & 0o7777 == mode
    assert sorted(os.listdir(folder)) == ["config", "dotfiles"]


def test_without_a_configuration_one_is_made_for_the_user_alone(tmp_path: Path) -> None:
    file = tmp_path / ".ssh" / "config"
    add(ConfigEntry(file, NEW))
    assert file.read_text() == NEW
    assert file.stat().st_mode & 0o7777 == 0o600


def test_a_change_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text("Host a\n")
    fill = os.fsync

    def changed(handle: int) -> None:
        file.write_text("Host b\n")
        fill(handle)

    monkeypatch.setattr(os, "fsync", changed)
    with pytest.raises(ConfigError, match="changed meanwhile"):
        add(ConfigEntry(file, NEW))
    assert file.read_text() == "Host b\n"
    assert os.listdir(tmp_path) == ["config"]


def test_a_configuration_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    with pytest.raises(ConfigError, match="was not added"):
        add(ConfigEntry(tmp_path / "config", NEW))


@needs_ssh
@pytest.mark.parametrize("before", ["", "Host other\n    User bob", "# a comment\nMatch all\n"])
def test_ssh_reads_the_entry(tmp_path: Path, before: str) -> None:
    file = tmp_path / "config"
    file.write_text(before)
    new = entry("xub", address(file, jump="ada@gate:22"), Path("/my keys/50%"))
    assert new is not None
    add(new)
    said = subprocess.run(["ssh", "-G", "-F", file, "xub"], capture_output=True, text=True, check=True).stdout
    assert {"hostname 10.0.0.7", "user ada", "port 2222", "proxyjump ada@gate:22"} <= set(said.splitlines())
    assert "/my keys/50%" in said
    assert entry("xub", address(file), KEY) is None


def test_a_name_that_is_no_alias_gives_way_to_the_host(tmp_path: Path) -> None:
    new = entry("ada@10.0.0.7:2222", address(tmp_path / "config"), KEY)
    assert new is not None
    assert new.text.splitlines()[0] == "Host 10.0.0.7"


def test_a_key_of_the_home_is_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssh_config, "home", lambda: tmp_path)
    new = entry("xub", LoginAddress("10.0.0.7", 22, "ada"), tmp_path / ".ssh" / "id_ed25519")
    assert new is not None
    assert new.file == tmp_path / ".ssh" / "config"
    assert "IdentityFile ~/.ssh/id_ed25519" in new.text


@pytest.mark.parametrize(
    ("config", "described"),
    [
        ("Host xub\n", True),
        ("host=xub other\n", True),
        ("Host lab xu?\n", True),
        ("Include more\n", True),
        ("Host *\n    User bob\n", False),
        ("# Host xub\nHost !xub\n", False),
        ("Match host xub\n", False),
        ("", False),
    ],
)
def test_a_host_with_an_entry_gets_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, described: bool
) -> None:
    monkeypatch.setattr(openssh_config, "home", lambda: tmp_path)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(config)
    (tmp_path / ".ssh" / "more").write_text("Host xub\n")
    assert (entry("xub", LoginAddress("10.0.0.7", 22, "ada"), KEY) is None) is described


def test_behind_a_proxy_command_and_with_a_hostile_name_nothing_is_offered(tmp_path: Path) -> None:
    file = tmp_path / "config"
    assert entry("xub", LoginAddress("h", 22, "ada", command=True, config_file=file), KEY) is None
    assert entry("xub", LoginAddress("h", 22, "ada\n  ProxyCommand x", config_file=file), KEY) is None
    assert config_entry.described(file, "xub") is False
