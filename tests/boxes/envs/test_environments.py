"""The environments of a box as a panel follows them: looked for, chosen, remembered, and gone again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.envs import Environments
from gpubox.boxes.envs.envs import SLOW
from gpubox.config.settings import Settings
from gpubox.core.env import Env, Envs
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import CommandResult, Shell
from gpubox.core.target import Target
from gpubox.store.store import Store
from tests import samples
from tests.boxes.scripted import ScriptedShell, context
from tests.hang import LIMIT

X = Env(prefix="/c/envs/x", name="x", kind="conda", python="3.11")
Y = Env(prefix="/c/envs/y", name="y", kind="conda")


class Answering(ScriptedShell):
    """A box that has our program, and answers with what the test gives it."""

    def __init__(self, found: Envs) -> None:
        super().__init__()
        self.found = found
        self.said: bytes | None = None
        self.answer = self._answer
        self.status = 0

    def _answer(self, command: str) -> CommandResult | GpuBoxError:
        mark = command.split("echo gpubox-")[1].split(" ")[0]
        data = self.said if self.said is not None else msgspec.json.encode(self.found)
        return CommandResult(self.status, None, f"welcome\ngpubox-{mark} HAVE\n".encode() + data, b"")


@pytest.fixture
def box() -> Answering:
    return Answering(Envs(envs=(X, Y)))


def environments(box: Answering, store: Store | None = None) -> Environments:
    shell: Feed[Shell | None] = Feed(box)
    return Environments(context("box", shell=shell, store=store))


async def test_nothing_is_known_before_the_first_look(box: Answering) -> None:
    envs = environments(box)
    assert envs.feed.value is None
    assert await envs.restore() is None
    assert box.commands == []
    assert (await envs.find()).envs == (X, Y)
    assert envs.feed.value == box.found


async def test_the_chosen_one_is_remembered_for_the_box(box: Answering, tmp_path: Path) -> None:
    with Store.open(Settings(), tmp_path / "history.sqlite") as store:
        envs = environments(box, store)
        await envs.find()
        await envs.use(envs.named("x"))
        again = environments(box, store)
        assert again.chosen.value is None
        assert await again.restore() == X
        await again.use(None)
        assert await environments(box, store).restore() is None


async def test_an_open_box_has_the_one_of_last_time_in_use_once_it_was_read(
    box: Answering, tmp_path: Path
) -> None:
    with Store.open(Settings(), tmp_path / "history.sqlite") as store:
        before = environments(box, store)
        await before.find()
        await before.use(X)
        context = BoxContext(Target("box", "ssh"), store=store, shell=Feed(box))
        envs = context.use(Environments)
        await envs.background(Purpose.WATCH)  # it returns: a row of a list needs no environment
        working = asyncio.create_task(envs.background(Purpose.WORK))
        await asyncio.sleep(0)
        assert envs.chosen.value is None
        context.sample.put(samples.training_box())
        async with asyncio.timeout(LIMIT):
            await working
        assert envs.chosen.value == X


async def test_what_another_window_chose_is_chosen_at_the_next_look(box: Answering, tmp_path: Path) -> None:
    with Store.open(Settings(), tmp_path / "history.sqlite") as store:
        here, there = environments(box, store), environments(box, store)
        await here.find()
        await here.use(X)
        await there.find()
        await there.use(Y)
        await here.find()
        assert here.chosen.value == Y
        await there.use(None)
        await here.find()
        assert here.chosen.value is None


async def test_what_is_found_again_is_chosen_as_it_is_now(box: Answering) -> None:
    envs = environments(box)
    await envs.find()
    await envs.use(X)
    newer = msgspec.structs.replace(X, python="3.12")
    box.found = Envs(envs=(newer, Y))
    await envs.find()
    assert envs.chosen.value == newer


async def test_a_chosen_one_that_went_is_reported_and_comes_back(box: Answering) -> None:
    envs = environments(box)
    await envs.find()
    await envs.use(X)
    box.found = Envs(envs=(Y,))
    await envs.find()
    assert envs.chosen.value is None
    assert envs.trouble.value is not None
    assert "/c/envs/x is not there any more" in str(envs.trouble.value)
    box.found = Envs(envs=(X, Y))
    await envs.find()
    assert (envs.chosen.value, envs.trouble.value) == (X, None)


async def test_a_slow_disk_does_not_take_the_choice_away(box: Answering) -> None:
    envs = environments(box)
    await envs.find()
    await envs.use(X)
    box.found = Envs(envs=(Y,), partial="Not all was searched in time: /c")
    await envs.find()
    assert envs.chosen.value == X


async def test_one_whose_disk_is_slow_stays_chosen(box: Answering) -> None:
    envs = environments(box)
    await envs.find()
    await envs.use(X)
    slow = msgspec.structs.replace(X, broken=SLOW)
    box.found = Envs(envs=(slow, Y), partial="Not all was searched in time: /c/envs/x")
    await envs.find()
    assert (envs.chosen.value, envs.trouble.value) == (X, None)


async def test_the_choice_follows_the_chosen_one_to_its_new_name(box: Answering, tmp_path: Path) -> None:
    venv = Env(prefix="/w/x", name="x", kind="venv")
    new = msgspec.structs.replace(venv, prefix="/w/z", name="z")
    with Store.open(Settings(), tmp_path / "history.sqlite") as store:
        box.found = Envs(envs=(venv, Y))
        envs = environments(box, store)
        await envs.find()
        await envs.use(venv)
        envs.rename(venv, "z")
        await envs.find()
        assert envs.chosen.value == venv, "the job has not ended yet"
        box.found = Envs(envs=(Y,), partial="Not all was searched in time: /w")
        await envs.find()
        assert envs.chosen.value == venv
        box.found = Envs(envs=(Y, new))
        await envs.find()
        assert (envs.chosen.value, envs.trouble.value) == (new, None)
        assert await environments(box, store).restore() == new


async def test_a_rename_of_another_one_leaves_the_choice_alone(box: Answering) -> None:
    venv = Env(prefix="/w/x", name="x", kind="venv")
    box.found = Envs(envs=(venv, Y))
    envs = environments(box)
    await envs.find()
    await envs.use(Y)
    envs.rename(venv, "z")
    box.found = Envs(envs=(msgspec.structs.replace(venv, prefix="/w/z", name="z"), Y))
    await envs.find()
    assert envs.chosen.value == Y


async def test_a_broken_one_is_not_chosen(box: Answering) -> None:
    envs = environments(box)
    with pytest.raises(RemoteError, match="no Python"):
        await envs.use(msgspec.structs.replace(X, broken="no Python"))
    assert envs.chosen.value is None


async def test_what_is_no_answer_is_an_error_in_words(box: Answering) -> None:
    envs = environments(box)
    for said in (b"", b"\xff", b"[1]", b'{"envs": 1}'):
        box.said = said
        with pytest.raises(RemoteError, match="not an answer about environments"):
            await envs.find()
    box.said, box.status = b'{"error": {"title": "Oh", "text": "gone\\u0007", "hint": ""}}', 1
    with pytest.raises(RemoteError, match="gone\ufffd"):
        await envs.size(X)
    lost: Feed[Shell | None] = Feed(None)
    with pytest.raises(Dropped, match="Not connected"):
        await Environments(context("box", shell=lost)).find()


async def test_the_size_is_shown_in_the_feed(box: Answering) -> None:
    envs = environments(box)
    await envs.find()
    box.said = b'{"size": 1234}'
    assert await envs.size(X) == 1234
    assert envs.named("x").size == 1234
    assert envs.named("y").size is None
    box.said = None
    await envs.find()
    assert envs.named("x").size == 1234, "it is not counted again at each look"
