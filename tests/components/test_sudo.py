"""Root by the real sudo, for users of a password file of our own: with and without a password."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.context import BoxContext
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import Cancelled, RemoteError, ToolMissing
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.target import Target
from gpubox.local import channels as local_channels
from gpubox.local import shell as local_shell
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.components.parts import program

PASSWORD = "correct horse; $(touch x) 'battery"
USERS = {"ada": 4711, "bob": 4712, "eve": 4713}
SUDOERS = "Defaults env_reset\nDefaults lecture=always\nada ALL=(ALL) ALL\nbob ALL=(ALL) NOPASSWD: ALL\n"
ENTER = """#!/bin/sh
# Runs `sh -c "$2"` as a user of our own password file, which only this process sees.
exec unshare -m sh -c '
for name in passwd shadow group sudoers; do mount --bind {folder}/$name /etc/$name || exit 99; done
[ ! -d /etc/sudoers.d ] || mount --bind {folder}/empty /etc/sudoers.d || exit 99
exec setpriv --reuid {uid} --regid {uid} --clear-groups \\
    env HOME={folder}/home USER={name} PATH=/usr/bin:/bin:{more} sh -c "$1"' sh "$2"
"""


class Answers:
    """An asker that gives one answer to everything."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.questions: list[Question] = []

    async def ask(self, question: Question) -> str | None:
        self.questions.append(question)
        return self.answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of /etc, as our users shall see them."""
    for name in ("sudo", "unshare", "setpriv", "openssl"):
        program(name)
    if os.getuid() != 0:
        pytest.skip("a password file of our own needs root")
    words = ["openssl", "passwd", "-6", "-stdin"]
    hashed = subprocess.run(words, input=PASSWORD, capture_output=True, text=True, check=True).stdout.strip()
    rows = [f"{name}:x:{uid}:{uid}::{tmp_path}/home:/bin/sh" for name, uid in USERS.items()]
    files = {
        "passwd": "\n".join(["root:x:0:0:root:/root:/bin/sh", *rows]),
        "group": "\n".join(["root:x:0:", *(f"{name}:x:{uid}:" for name, uid in USERS.items())]),
        "shadow": "\n".join(["root:*:20000::::::", *(f"{name}:{hashed}:20000::::::" for name in USERS)]),
        "sudoers": SUDOERS,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o440 if name in ("shadow", "sudoers") else 0o644)
    (tmp_path / "empty").mkdir()
    (tmp_path / "home").mkdir()
    os.chown(tmp_path / "home", USERS["ada"], USERS["ada"])
    for parent in (tmp_path, *tmp_path.parents):  # pytest's folders are closed to others
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    return tmp_path


def logged_in(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, more: str = "/none") -> BoxContext:
    """Return a box on which this user is logged in."""
    script = folder / f"enter-{name}"
    script.write_text(ENTER.format(folder=folder, uid=USERS[name], name=name, more=more))
    script.chmod(0o755)
    monkeypatch.setattr(local_shell, "_SHELL", str(script))
    monkeypatch.setattr(local_channels, "login_shell", lambda: str(script))
    context = BoxContext(Target("box", "local", "test", ""))
    context.shell.put(LocalShell())
    context.channels.put(LocalChannels(LocalShell()))
    return context


async def facts_as_root(context: BoxContext) -> dict[str, object]:
    """Return what root gathers of the system."""
    program = context.use(Checks).program
    async with context.use(Sudo).piped(program, ("system",)) as running:
        (line,) = [line async for line in running.lines(1 << 20)]
    return json.loads(line)["facts"]


async def test_a_password_opens_sudo_and_is_asked_for_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = logged_in("ada", folder, monkeypatch)
    asker = Answers(PASSWORD)
    sudo = context.use(Sudo)
    await sudo.unlock(asker, "Why.")
    await sudo.unlock(asker, "Why.")
    assert [question.kind for question in asker.questions] == [QuestionKind.SECRET]
    assert PASSWORD not in repr(sudo._access)
    facts = await facts_as_root(context)
    assert (facts["root"], facts["user"]) == (True, "ada")
    assert not (folder / "home" / ".cache").exists(), "root ran a file of the user"
    context.shell.put(LocalShell())  # another link
    assert not sudo.allowed


async def test_a_wrong_password_is_refused_and_not_remembered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = logged_in("ada", folder, monkeypatch)
    with pytest.raises(RemoteError, match="sudo refused"):
        await context.use(Sudo).unlock(Answers("wrong"), "Why.")
    assert not context.use(Sudo).allowed
    with pytest.raises(Cancelled):
        await context.use(Sudo).unlock(Answers(None), "Why.")


async def test_who_needs_no_password_is_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = logged_in("bob", folder, monkeypatch)
    asker = Answers(None)
    await context.use(Sudo).unlock(asker, "Why.")
    assert asker.questions == []
    facts = await facts_as_root(context)
    assert (facts["root"], facts["user"]) == (True, "bob")


async def test_who_is_not_in_sudoers_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = logged_in("eve", folder, monkeypatch)
    with pytest.raises(RemoteError, match="sudo refused"):
        await context.use(Sudo).unlock(Answers(PASSWORD), "Why.")


async def test_a_box_without_sudo_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = logged_in("ada", folder, monkeypatch)
    script = folder / "enter-ada"
    script.write_text(script.read_text().replace("PATH=/usr/bin:/bin", f"PATH={folder}/bin"))
    (folder / "bin").mkdir()
    (folder / "bin" / "sh").symlink_to("/bin/sh")
    with pytest.raises(ToolMissing, match="No sudo on the box"):
        await context.use(Sudo).unlock(Answers(PASSWORD), "Why.")
