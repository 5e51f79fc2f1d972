"""Commands whose link is lost at the worst moment: they wait for the next one, and do nothing twice."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.commands import job_log, session
from gpubox.core.channels import Channels, Pipes
from gpubox.core.env import Env, Envs, Root
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.link_state import Health, Phase
from gpubox.core.record import Ending, Record
from gpubox.core.shell import CommandResult, Work
from gpubox.core.target import Target
from gpubox.store.store import Store
from tests.boxes.scripted import ScriptedShell, until
from tests.commands.run import Ran, here

LOST = Dropped("Link lost", "The box is gone")
MARK = re.compile(r"gpubox-[0-9a-f]{12}(?![0-9a-f])")


class OneLink:
    """The shell of one link."""

    def __init__(self, shell: ScriptedShell) -> None:
        self.run = shell.run
        self.stream = shell.stream


class WeakLink:
    """A link that is lost whenever a test says so, and up again a moment later."""

    def __init__(self, shell: ScriptedShell) -> None:
        self.health: Feed[Health] = Feed(Health())
        self.losses = 0
        self._shell = shell
        self._lost = asyncio.Event()

    def lose(self) -> None:
        """Lose the link."""
        self.losses += 1
        self._lost.set()

    async def keep(self, work: Work) -> None:
        while True:
            self.health.put(Health(Phase.LIVE))
            task = asyncio.ensure_future(work(OneLink(self._shell)))
            try:
                await self._lost.wait()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            self._lost.clear()
            self.health.put(Health(Phase.WAITING, reason=LOST))
            await asyncio.sleep(0.01)  # an outage has a length

    def prepare(self) -> None:
        """Nothing to import."""

    def retry(self) -> None:
        """It comes back by itself."""


class Answering(ScriptedShell):
    """A box that has our programs; it answers what a test says, and may lose its link meanwhile."""

    def __init__(self, answer: Callable[[str, bytes], bytes]) -> None:
        super().__init__()
        self.link = WeakLink(self)
        self.asked: list[str] = []
        self.lose_at: int | None = None
        """Which question is done, while its answer goes with the link; counted from 0."""
        self._answer = answer

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        data = self._answer(command, stdin)
        self.asked.append(command)
        if len(self.asked) - 1 == self.lose_at:
            self.link.lose()
            raise LOST
        found = MARK.findall(command)
        assert found
        return CommandResult(0, None, f"\n{found[0]} HAVE\n".encode() + data, b"")


class Reading:
    """Channels over which the log of a job is read; opening one counts as a question."""

    def __init__(self, shell: Answering) -> None:
        self._shell = shell

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        result = await self._shell.run(command or "", stdin=b'{"log": 1}')
        yield cast("Pipes", Log(result.stdout))


class Log:
    """The pipes of a program that says one thing and ends."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def write(self, data: bytes) -> None:
        """It reads nothing."""

    def end(self) -> None:
        """It reads nothing."""

    async def read(self) -> tuple[bool, bytes]:
        said, self._said = self._said, b""
        return False, said

    async def wait(self) -> int:
        return 0


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answering], None]:
    """Have every command find a box that answers what a test says."""

    def use(shell: Answering) -> None:
        def open_box(*_: object, store: Store) -> Box:
            return Box(
                BoxContext(Target("xub", "ssh"), store=store),
                shell.link,
                lambda _: cast("Channels", Reading(shell)),
            )

        monkeypatch.setattr("gpubox.boxes.factory.open_box", open_box)

    return use


def saying(data: bytes) -> Callable[[str, bytes], bytes]:
    """Answer everything alike."""
    return lambda _command, _stdin: data


LISTS = {
    "env": (msgspec.json.encode(Envs(envs=(Env("/c/envs/x", "cats", "conda"),))), "cats"),
    "jobs": (b'{"now": 1.0, "jobs": []}', "No jobs."),
    "desktop": (b"clock 1000000 100\n", "No desktop runs there."),
    "tunnel": (b'{"v": 1, "proc": true, "uid": 1000}', "Nothing listens there that is known."),
}


@pytest.mark.parametrize("command", LISTS)
def test_a_list_whose_link_drops_while_it_is_asked_for_is_asked_for_again(
    opened: Callable[[Answering], None], command: str
) -> None:
    answer, words = LISTS[command]
    shell = Answering(saying(answer))
    shell.lose_at = 0
    opened(shell)
    ran = here(command, "xub", "list")
    assert (ran.status, words in ran.out, shell.link.losses) == (0, True, 1)
    assert "xub: Link lost" in ran.err
    assert len(shell.asked) == 2


@pytest.mark.parametrize("command", LISTS)
def test_a_list_that_is_asked_for_while_the_link_is_down_waits_for_it(
    opened: Callable[[Answering], None], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, words = LISTS[command]
    shell = Answering(saying(answer))
    opened(shell)
    connected = session._connected
    down: list[bool] = []

    async def connected_and_lost(box: Box) -> None:
        await connected(box)
        if not down:
            down.append(True)
            shell.link.lose()
            await until(lambda: box.shell.value is None)

    monkeypatch.setattr(session, "_connected", connected_and_lost)
    ran = here(command, "xub", "list")
    assert (ran.status, words in ran.out, shell.link.losses) == (0, True, 1), ran.err
    assert len(shell.asked) == 1


class Creating:
    """A box that makes an environment by a job, which has ended when it is looked at the second time."""

    def __init__(self, code: int = 0) -> None:
        self.launched: list[str] = []
        self.shown = 0
        self.broken = False
        """Whether it answers garbage once the job has ended."""
        self._code = code
        self._record: Record | None = None

    def answer(self, command: str, stdin: bytes) -> bytes:
        """Do what a program of ours would do, and return its answer."""
        asked = cast("dict[str, object]", json.loads(stdin or b"{}"))
        if "log" in asked:
            return b'{"offset": 0, "size": 5}\nmade\n'
        if "spec" in asked:
            spec = msgspec.convert(asked["spec"], JobSpec)
            self.launched.append(spec.id)
            self._record = self._record or Record(
                id=spec.id, state="running", spec=spec, submitted=1.0, now=1.0
            )
        elif "id" in asked and self._record is not None:
            self.shown += 1
            if self.shown == 2:
                ending = Ending("exit", code=self._code)
                self._record = msgspec.structs.replace(self._record, state="ended", ended=2.0, ending=ending)
        else:
            if self._record is not None and self._record.state == "ended":
                return b"garbage"
            root = Root("/c", "miniconda", "/c/bin/conda", "/c/envs")
            return msgspec.json.encode(Envs(roots=(root,)))
        return msgspec.json.encode(self._record)


def created(shell: Answering, opened: Callable[[Answering], None], *words: str) -> Ran:
    opened(shell)
    return here("env", "xub", "create", "cats", "numpy", *words)


@pytest.mark.parametrize(("words", "questions"), [(("--quiet",), 4), ((), 5)])
def test_a_created_environment_is_a_success_wherever_the_link_drops(
    opened: Callable[[Answering], None],
    words: tuple[str, ...],
    questions: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def swallow(_: bytes) -> None:
        """It would go past the test to the real stdout."""

    monkeypatch.setattr(job_log, "_write", swallow)
    whole = Answering(Creating().answer)
    assert created(whole, opened, *words).status == 0
    assert len(whole.asked) == questions, "the look, the launch, the log, and two looks at the job"
    for question in range(len(whole.asked)):
        box = Creating()
        shell = Answering(box.answer)
        shell.lose_at = question
        ran = created(shell, opened, *words)
        assert (ran.status, shell.link.losses) == (0, 1), (question, ran.err)
        assert len(set(box.launched)) == 1
        assert len(box.launched) == (2 if question == 1 else 1)


def test_a_job_that_fails_gives_its_own_status_although_its_log_cannot_be_had(
    opened: Callable[[Answering], None],
) -> None:
    box = Creating(code=4)
    shell = Answering(box.answer)
    ran = created(shell, opened, "--quiet")
    assert ran.status == 4, ran.err


def test_what_a_box_refuses_is_not_asked_for_again(opened: Callable[[Answering], None]) -> None:
    def refuse(*_: object) -> bytes:
        raise RemoteError("No channel", "The box opens no further channel")

    shell = Answering(refuse)
    opened(shell)
    ran = here("jobs", "xub", "list")
    assert (ran.status, "No channel" in ran.err, shell.link.losses) == (1, True, 0)
