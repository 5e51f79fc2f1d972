"""A key of this machine rolled out to a real sshd: added, nothing lost, and proved by a login of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from gpubox.boxes.checks.fix_plan import Plan
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.new_key import roll_out
from gpubox.boxes.context import BoxContext
from gpubox.core.errors import AuthFailed, Cancelled, ConfigError, RemoteError
from gpubox.core.prompts import Nobody
from gpubox.ssh import new_key as keys
from gpubox.ssh.channels import SshChannels
from tests.components.desk import Desk
from tests.components.new_key_desk import CHECK, Bare, bare
from tests.components.parts import program
from tests.components.servers import USER, new_key
from tests.hang import LIMIT
from tests.ssh.fakes import Person

FIRST, AGAIN = "Passphrase for a new key", "The same passphrase again"
UNLOCKED = {FIRST: "", AGAIN: ""}


@pytest.fixture
async def box(desk: Desk, tmp_path: Path) -> AsyncGenerator[Bare]:
    """A box that takes keys from the home, with owners and modes as sshd wants them."""
    async with bare(desk, tmp_path) as made:
        yield made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
async def test_a_second_key_logs_in_and_the_first_one_still_does(box: Bare, passphrase: str) -> None:
    (box.home / ".ssh").chmod(0o755)
    before = box.keys.read_text()
    person = Person({FIRST: passphrase, AGAIN: passphrase})

    async def work(context: BoxContext) -> None:
        rolled = await roll_out(context, CHECK, person, box.second)
        assert box.keys.read_text() == before
        assert not box.second.exists(), "nothing is made before the yes"
        assert f"+++ {box.keys}" in rolled.plan.diff()
        name = await rolled.apply()
        channels = context.channels.value
        assert isinstance(channels, SshChannels)
        assert (channels.login.key_type, channels.login.proved) == ("ssh-ed25519", "ssh-ed25519")
        assert (await LinkLogin.gather(context)).proved == "ssh-ed25519"
        (entry,) = [one for one in await context.use(Fixes).entries(root=False) if one.id == name]
        assert (entry.check, entry.state) == ("login.from-here", "applied")

    await box.over_ssh(work)
    assert person.titles == [FIRST, AGAIN]
    assert box.keys.read_text() == before + box.second.with_name("second.pub").read_text()
    assert (mode(box.keys), mode(box.home / ".ssh"), mode(box.second)) == (0o600, 0o700, 0o600)
    assert await box.enters(box.desk.identity)
    assert await box.enters(box.second) is (passphrase == "")


async def test_the_login_that_proves_a_key_uses_nothing_else(box: Bare) -> None:
    keys.write(keys.make(box.second, ""))

    async def work(context: BoxContext) -> None:
        channels = context.channels.value
        assert isinstance(channels, SshChannels)
        with pytest.raises(AuthFailed, match="Login refused"):
            await channels.log_in_by(box.second, "")
        assert channels.login.proved == ""
        await channels.log_in_by(box.desk.identity, "")
        assert channels.login.proved == "ssh-ed25519"

    await box.over_ssh(work)


async def test_a_last_line_without_its_end_gets_one(box: Bare) -> None:
    box.keys.write_text(f"# mine\n{box.desk.public.strip()}")
    await box.rolled_out(Person(UNLOCKED))
    lines = box.keys.read_text().split("\n")
    assert lines[:2] == ["# mine", box.desk.public.strip()]
    assert [len(line.split()) for line in lines[2:]] == [3, 0]
    assert await box.enters(box.second)
    assert await box.enters(box.desk.identity)


async def test_a_key_that_is_there_is_not_added_again_and_its_modes_are_repaired(box: Bare) -> None:
    new_key(box.second)
    line = box.second.with_name("second.pub").read_text()
    box.keys.write_text(f'{box.desk.public}no-pty,environment="A=b c" {line}')
    text = box.keys.read_text()

    async def work(context: BoxContext) -> None:
        box.keys.chmod(0o664)
        rolled = await roll_out(context, CHECK, Nobody(), box.second)
        assert "the box has it already" in rolled.plan.fix.cost
        assert rolled.plan.diff() == [f"{box.keys}: mode 0664 → 0600"]
        assert await rolled.apply()
        again = await roll_out(context, CHECK, Nobody(), box.second)
        assert again.plan.diff() == []
        assert await again.apply() == "", "nothing had to change, and it was proved all the same"

    await box.over_ssh(work)
    assert (box.keys.read_text(), mode(box.keys)) == (text, 0o600)


async def test_what_keeps_sshd_from_the_key_is_reported_and_the_key_stays(
    box: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Fixes.apply

    async def then_open_the_home(fixes: Fixes, plan: Plan) -> str:
        name = await apply(fixes, plan)
        box.home.chmod(0o777)
        return name

    monkeypatch.setattr(Fixes, "apply", then_open_the_home)

    async def work(context: BoxContext) -> None:
        rolled = await roll_out(context, CHECK, Person(UNLOCKED), box.second)
        with pytest.raises(RemoteError) as refused:
            await rolled.apply()
        assert "does not log in yet" in refused.value.title
        assert f"sshd ignores the keys: {box.home} can be written by everyone (0777)" in refused.value.text
        assert f"chmod go-w '{box.home}'" in refused.value.text
        assert "stays here and in authorized_keys" in refused.value.hint

    await box.over_ssh(work)
    assert box.second.with_name("second.pub").read_text() in box.keys.read_text()
    box.home.chmod(0o755)
    assert await box.enters(box.second)


async def test_a_locked_key_of_this_machine_is_used_after_its_passphrase(box: Bare) -> None:
    line = new_key(box.second, passphrase="open sesame")
    private = box.second.read_bytes()
    person = Person({"Passphrase": "wrong", "Wrong passphrase, try again": "open sesame"})
    rolled = await box.rolled_out(person)
    assert person.titles == ["Passphrase", "Wrong passphrase, try again"]
    assert "open sesame" not in repr(rolled)
    assert box.second.read_bytes() == private
    assert box.keys.read_text() == box.desk.public + line


async def test_a_plan_that_is_only_shown_asks_and_makes_nothing(box: Bare) -> None:
    async def work(context: BoxContext) -> None:
        rolled = await roll_out(context, CHECK, None, box.second)
        assert sum(line.startswith("+ssh-ed25519 ") for line in rolled.plan.diff()) == 1
        new_key(box.second, passphrase="open sesame")
        rolled = await roll_out(context, CHECK, None, box.second)
        assert f"+{box.second.with_name('second.pub').read_text().strip()}" in rolled.plan.diff()

    await box.over_ssh(work)
    assert box.keys.read_text() == box.desk.public


async def test_a_key_that_came_meanwhile_is_not_replaced(box: Bare) -> None:
    async def work(context: BoxContext) -> None:
        rolled = await roll_out(context, CHECK, Person(UNLOCKED), box.second)
        box.second.write_text("mine")
        with pytest.raises(ConfigError, match="is there already"):
            await rolled.apply()

    await box.over_ssh(work)
    assert box.second.read_text() == "mine"
    assert box.keys.read_text() == box.desk.public


async def test_lines_that_came_meanwhile_are_not_lost(box: Bare) -> None:
    async def work(context: BoxContext) -> None:
        rolled = await roll_out(context, CHECK, Person(UNLOCKED), box.second)
        box.keys.write_text(f"{box.desk.public}# of a colleague\n")
        with pytest.raises(RemoteError, match="changed meanwhile"):
            await rolled.apply()

    await box.over_ssh(work)
    assert box.keys.read_text() == f"{box.desk.public}# of a colleague\n"


@pytest.mark.parametrize("answers", [{}, {FIRST: "a"}, {FIRST: "a", AGAIN: "b"}])
async def test_without_a_passphrase_given_twice_nothing_happens(box: Bare, answers: dict[str, str]) -> None:
    async def work(context: BoxContext) -> None:
        with pytest.raises((Cancelled, ConfigError), match="No key was made"):
            await roll_out(context, CHECK, Person(answers), box.second)

    await box.over_ssh(work)
    assert not box.second.exists()


async def test_a_file_without_the_folder_above_it_is_made(desk: Desk, tmp_path: Path) -> None:
    async with bare(desk, tmp_path, ".keys/mine .ssh/authorized_keys") as box:
        await box.rolled_out(Person(UNLOCKED))
        assert mode(box.home / ".keys") == 0o700
        assert mode(box.home / ".keys" / "mine") == 0o600
        assert box.keys.read_text() == desk.public
        assert await box.enters(box.second)


async def test_keys_that_only_root_writes_are_left_to_root(desk: Desk, tmp_path: Path) -> None:
    async with bare(desk, tmp_path) as box:

        async def work(context: BoxContext) -> None:
            config = tmp_path / "etc-ssh" / "config"
            config.write_text(config.read_text().replace(".ssh/authorized_keys", "/etc/ssh/keys/%u", 1))
            with pytest.raises(RemoteError, match="sshd reads no keys from the home") as refused:
                await roll_out(context, CHECK, Person(UNLOCKED), box.second)
            assert f"/etc/ssh/keys/{USER}" in refused.value.text

        await box.over_ssh(work)


async def test_an_entry_is_offered_and_added_only_after_a_yes(box: Bare) -> None:
    config = box.desk.folder / "config"
    config.write_text("# mine\n")
    title = f"Add an entry to {config}?"

    async def work(context: BoxContext) -> None:
        rolled = await roll_out(context, CHECK, Person(UNLOCKED), box.second)
        await rolled.apply()
        lines, added = await rolled.offer_entry(Nobody())
        assert (lines.splitlines()[0], added) == ("Host box", False)
        assert await rolled.offer_entry(Person({title: "no"})) == (lines, False)
        assert config.read_text() == "# mine\n"
        assert await rolled.offer_entry(Person({title: "yes"})) == (lines, True)
        assert config.read_text() == f"# mine\n\n{lines}"
        assert await rolled.offer_entry(Nobody()) == ("", False)

    await box.over_ssh(work)
    process = await asyncio.create_subprocess_exec(
        *(program("ssh"), "-F", str(config), "-o", "BatchMode=yes"),
        *("-o", f"UserKnownHostsFile={box.desk.folder}/known_hosts", "box", "echo in"),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT):
        assert (await process.communicate())[0] == b"in\n"
