"""Keys that are made here: OpenSSH reads them, nobody else does, and no file is ever replaced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gpubox.core.errors import ConfigError
from gpubox.ssh import new_key
from gpubox.ssh.new_key import KeyLocked, LoginKey
from tests.ssh.fakes import needs_ssh

PASSPHRASE = "correct horse ünd battery"


def made(file: Path, passphrase: str = "") -> LoginKey:
    key = new_key.make(file, passphrase)
    new_key.write(key)
    return key


def keygen(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run OpenSSH's own ssh-keygen on a key."""
    return subprocess.run(["ssh-keygen", *words, "-f", file], capture_output=True, text=True)


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o7777


@needs_ssh
@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_openssh_reads_the_key(tmp_path: Path, passphrase: str) -> None:
    key = made(tmp_path / "id", passphrase)
    said = keygen(key.file, "-y", "-P", passphrase)
    assert said.stdout.split()[:2] == key.line.split()[:2]
    assert (keygen(key.file, "-y", "-P", "wrong").returncode == 0) is (passphrase == "")
    listed = keygen(tmp_path / "id.pub", "-l")
    assert listed.stdout.endswith("(ED25519)\n")


def test_only_the_user_may_read_the_key_and_its_folder(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made(tmp_path / "home" / ".ssh" / "id")
    finally:
        os.umask(before)
    folder = tmp_path / "home" / ".ssh"
    assert (mode(folder), mode(folder / "id"), mode(folder / "id.pub")) == (0o700, 0o600, 0o644)
    assert sorted(os.listdir(folder)) == ["id", "id.pub"]


def test_the_key_says_whose_it_is(tmp_path: Path) -> None:
    kind, _, comment = made(tmp_path / "id").line.split(" ")
    assert kind == "ssh-ed25519"
    assert comment.count("@") == 1


def test_the_secrets_are_in_no_text_of_the_key(tmp_path: Path) -> None:
    key = new_key.make(tmp_path / "id", PASSPHRASE)
    assert PASSPHRASE not in repr(key)
    assert "PRIVATE" not in repr(key)
    assert PASSPHRASE.encode() not in key.private


@pytest.mark.parametrize("name", ["id", "id.pub"])
def test_nothing_is_replaced(tmp_path: Path, name: str) -> None:
    key = new_key.make(tmp_path / "id", "")
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        new_key.write(key)
    assert (tmp_path / name).read_text() == "mine"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    key = new_key.make(tmp_path / "id", "")
    (tmp_path / "id").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is there already"):
        new_key.write(key)
    assert not (tmp_path / "elsewhere").exists()


def test_where_a_file_has_only_one_name_the_key_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    key = made(tmp_path / "id")
    assert sorted(os.listdir(tmp_path)) == ["id", "id.pub"]
    assert new_key.existing(key.file) == LoginKey(key.file, key.line)
    with pytest.raises(ConfigError, match="is there already"):
        made(tmp_path / "id")


def test_a_key_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="was not written"):
        made(tmp_path / "file" / "id")


def test_the_key_that_is_there_is_used_with_its_comment(tmp_path: Path) -> None:
    key = made(tmp_path / "id", PASSPHRASE)
    with pytest.raises(KeyLocked, match="a passphrase locks it"):
        new_key.existing(key.file)
    with pytest.raises(KeyLocked, match="not that of the key"):
        new_key.existing(key.file, "wrong")
    found = new_key.existing(key.file, PASSPHRASE)
    assert found is not None
    assert (found.line, found.private) == (key.line, b"")
    assert new_key.public_half(key.file).line == key.line


def test_the_public_half_of_another_key_is_not_believed(tmp_path: Path) -> None:
    key = made(tmp_path / "id")
    other = new_key.make(tmp_path / "other", "")
    (tmp_path / "id.pub").write_text(other.line)
    found = new_key.existing(key.file)
    assert found is not None
    assert found.blob == key.blob


def test_no_key_is_none(tmp_path: Path) -> None:
    assert new_key.existing(tmp_path / "id") is None


def half(file: Path) -> None:
    file.with_name("id.pub").write_text("ssh-ed25519 AAAA")


def words(file: Path) -> None:
    file.write_text("no key at all")


def empty(file: Path) -> None:
    file.touch()


def large(file: Path) -> None:
    file.write_bytes(b"x" * 100_000)


def folder(file: Path) -> None:
    file.mkdir()


def pipe(file: Path) -> None:
    os.mkfifo(file)


def dangling(file: Path) -> None:
    file.symlink_to("nowhere")


def open_to_others(file: Path) -> None:
    made(file).file.chmod(0o644)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (half, "without its private key"),
        (words, "cannot be read as a private key"),
        (empty, "cannot be read as a private key"),
        (large, "no file with a key"),
        (folder, "no file with a key"),
        (pipe, "no file with a key"),
        (dangling, "No such file"),
        (open_to_others, "chmod 600"),
    ],
)
def test_what_is_no_key_is_reported(tmp_path: Path, prepare: Callable[[Path], None], said: str) -> None:
    file = tmp_path / "id"
    before = os.umask(0o077)
    try:
        prepare(file)
    finally:
        os.umask(before)
    with pytest.raises(ConfigError, match=said):
        new_key.existing(file)
