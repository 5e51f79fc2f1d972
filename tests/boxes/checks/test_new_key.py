"""A key is added to what the box has, and nothing of that is lost; without any machine behind it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.boxes.checks.authorized_keys import AuthorizedKeys
from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import KeyFile, LoginFacts, PathMode
from gpubox.boxes.checks.new_key import RollOut, roll_out
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.context import BoxContext
from gpubox.core.errors import Cancelled, ConfigError, RemoteError
from gpubox.ssh import new_key
from tests.boxes.checks.facts import judge
from tests.boxes.checks.key_box import CHECK, FILE, HOME, OTHER, Asked, box, home_of, login


async def rolled_out(tmp_path: Path, made: BoxContext, *answers: str | None) -> tuple[RollOut, Asked]:
    asker = Asked(*answers)
    return await roll_out(made, CHECK, asker, tmp_path / "id"), asker


async def test_a_key_is_made_after_the_yes_then_let_in_and_then_proved(tmp_path: Path) -> None:
    made, fixes, channels = box(home_of(tmp_path))
    rolled, asker = await rolled_out(tmp_path, made, "open sesame", "open sesame")
    assert [question.may_be_empty for question in asker.questions] == [True, True]
    assert "locked by your passphrase" in rolled.plan.fix.cost
    assert (os.listdir(tmp_path), fixes.applied) == (["a home"], [])
    assert "open sesame" not in repr(rolled)
    assert await rolled.apply() == "0123"
    assert channels.came == [(tmp_path / "id", "open sesame")]
    (fix,) = fixes.applied
    assert fix.needs_root is False
    text = fix.files[0].text
    assert text is not None
    assert text == f"{OTHER}\n{(tmp_path / 'id.pub').read_text()}"
    assert [one.mode for one in fix.files] == [0o600, 0o700]


async def test_a_key_without_a_passphrase_is_reported_twice(tmp_path: Path) -> None:
    made, _, channels = box(home_of(tmp_path))
    rolled, asker = await rolled_out(tmp_path, made, "", "")
    assert "whoever gets that file logs in" in asker.questions[0].text
    assert "will not be locked" in asker.questions[1].text
    assert "without a passphrase" in rolled.plan.fix.cost
    await rolled.apply()
    assert channels.came == [(tmp_path / "id", "")]


async def test_passphrases_that_differ_are_asked_for_again(tmp_path: Path) -> None:
    made, _, channels = box(home_of(tmp_path))
    rolled, asker = await rolled_out(tmp_path, made, "a", "b", "c", "c")
    assert asker.questions[2].title == "The two differ, try again"
    await rolled.apply()
    assert channels.came == [(tmp_path / "id", "c")]
    with pytest.raises(ConfigError, match="differed 3 times"):
        await roll_out(made, CHECK, Asked("a", "b", "a", "", "", "a"), tmp_path / "other")


@pytest.mark.parametrize("answers", [(None,), ("a", None), ("", None)])
async def test_nobody_who_answers_makes_no_key(tmp_path: Path, answers: tuple[str | None, ...]) -> None:
    made, fixes, _ = box(home_of(tmp_path))
    with pytest.raises(Cancelled, match="No key was made"):
        await rolled_out(tmp_path, made, *answers)
    assert (os.listdir(tmp_path), fixes.applied) == (["a home"], [])


async def test_a_passphrase_that_stays_wrong_is_reported(tmp_path: Path) -> None:
    new_key.write(new_key.make(tmp_path / "id", "right"))
    made, fixes, _ = box(home_of(tmp_path))
    with pytest.raises(ConfigError, match="not that of the key"):
        await rolled_out(tmp_path, made, "a", "b", "c")
    with pytest.raises(Cancelled, match="Nobody gave the passphrase"):
        await rolled_out(tmp_path, made, None)
    assert fixes.applied == []


OPEN = (PathMode(FILE, 0o600, 1000, regular=True), PathMode(HOME, 0o757, 1000))


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ((), "sshd ignores keys when others can write"),
        ((login(home=""), SshdFacts()), "sshd ignores keys when others can write"),
        ((login(KeyFile(FILE, paths=OPEN), home=""), SshdFacts()), f"{HOME} can be written by everyone"),
    ],
)
async def test_a_key_that_does_not_log_in_stays_and_its_cause_is_reported(
    tmp_path: Path, facts: tuple[LoginFacts | SshdFacts, ...], cause: str
) -> None:
    made, fixes, _ = box(home_of(tmp_path), *facts, error=RemoteError("Login refused", "It said no"))
    rolled, _ = await rolled_out(tmp_path, made, "", "")
    with pytest.raises(RemoteError, match="does not log in yet") as refused:
        await rolled.apply()
    assert refused.value.text.startswith("Login refused. It said no")
    assert cause in refused.value.text
    assert len(fixes.applied) == 1
    assert (tmp_path / "id").exists()


async def test_a_home_that_others_can_write_is_closed(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    file = f"{home}/.ssh/authorized_keys"
    paths = (PathMode(file, 0o600, 1000, regular=True), PathMode(str(home), 0o777, 1000))
    made, _, _ = box(home, login(KeyFile(file, paths=paths), home=str(home)))
    rolled, _ = await rolled_out(tmp_path, made, "", "")
    assert {one.path: one.mode for one in rolled.plan.fix.files}[str(home)] == 0o755


async def test_folders_of_root_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing_there(*_: object) -> AuthorizedKeys:
        return AuthorizedKeys("/root/.ssh/authorized_keys", "", folder_there=False, uid=0)

    monkeypatch.setattr("gpubox.boxes.checks.new_key.read_keys", nothing_there)
    made, fixes, _ = box(home_of(tmp_path))
    fixes.before = None
    rolled, _ = await rolled_out(tmp_path, made, "", "")
    assert "$ chmod 700 /root/.ssh" in rolled.plan.diff()
    assert [one.path for one in rolled.plan.fix.files] == ["/root/.ssh/authorized_keys"]


async def test_a_home_on_the_network_is_reported(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    facts = login(KeyFile(f"{home}/.ssh/authorized_keys"), home=str(home), file_system="nfs4")
    made, _, _ = box(home, facts)
    rolled, _ = await rolled_out(tmp_path, made, "", "")
    assert "wherever it is mounted" in rolled.plan.fix.cost


async def test_a_box_without_a_login_gets_no_key(tmp_path: Path) -> None:
    made, _, _ = box(home_of(tmp_path))
    made.channels.put(object())  # pyright: ignore[reportArgumentType]  # as those of this machine
    with pytest.raises(RemoteError, match="has no login"):
        await roll_out(made, CHECK, None, tmp_path / "id")


def test_the_fix_is_offered_where_sshd_takes_keys() -> None:
    found = judge("login.from-here", LinkLogin(True, ("publickey", "password")))
    assert found.fix is not None
    assert (found.fix.new_key, found.fix.needs_root) == (True, False)
    assert judge("login.from-here", LinkLogin(True, ("password",))).fix is None
    assert judge("login.from-here", LinkLogin(True, (), "ssh-ed25519", "SHA256:a")).fix is None


def test_a_key_that_was_proved_is_enough() -> None:
    shown = LinkLogin(True, (), "ssh-rsa", "SHA256:a", 4096, "~/.ssh/id_rsa.pub", 1_500_000_000.0)
    found = judge("login.from-here", shown)
    assert (found.text, found.details) == (
        "By ssh-rsa of 4096 bits, SHA256:a",
        ("~/.ssh/id_rsa.pub is of 2017-07-14",),
    )
    found = judge("login.from-here", LinkLogin(True, ("publickey",), proved="ssh-ed25519"))
    assert (found.outcome, found.value) == (Outcome.OK, "ssh-ed25519")
