"""Our program on a box, as its answers are understood; tests/components runs it for real."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import pytest
from msgspec.structs import replace

from gpubox.agent import bundle
from gpubox.agent.program_cache import NoPython
from gpubox.boxes.jobs.backend import Counted, Found, Search
from gpubox.boxes.jobs.box_backend import BoxBackend, Stream
from gpubox.core.channels import Channels, Pipes
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import Listing
from gpubox.core.shell import CommandResult, Shell
from tests.boxes.jobs.backend import ended, job
from tests.hang import LIMIT

ID = job(1).id


class Answering:
    """A shell of a box that has our program, and answers what a test says."""

    def __init__(self, *answers: object, status: int = 0, noise: bytes = b"Welcome!\n") -> None:
        self.answers = list(answers)
        self.status = status
        self.noise = noise
        self.lines: list[str] = []
        self.asked: list[object] = []

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        self.lines.append(command)
        mark = re.findall(r"gpubox-[0-9a-f]{12}(?![0-9a-f])", command)[0].encode()
        if "pwd" in command:
            return CommandResult(0, None, b"\n" + mark + b" HAVE\n/home/.cache\n", b"")
        self.asked.append(json.loads(stdin or b"null"))
        answer = self.answers.pop(0)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"
        return CommandResult(
            self.status, None, self.noise + b"\n" + mark + b" HAVE\n" + data, b"a\nlast words\n"
        )


class ProgramPipes:
    """Channels whose one command says what a test puts here; each piece may be of stderr."""

    def __init__(self, *pieces: tuple[bool, bytes], status: int = 0, step: int = 1 << 20) -> None:
        self.pieces = list(pieces)
        self.step = step
        self.status = status
        self.line = ""
        self.written = b""
        self.later: list[tuple[bool, bytes]] = []
        """What the next command says."""

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        self.line = command or ""
        mark = re.findall(r"gpubox-[0-9a-f]{12}(?![0-9a-f])", self.line)[0].encode()
        self.pieces = [(words, piece.replace(b"MARK", mark)) for words, piece in self.pieces]
        yield cast("Pipes", self)
        self.pieces, self.later = self.later, []

    async def write(self, data: bytes) -> None:
        self.written += data

    def end(self) -> None:
        pass

    async def read(self) -> tuple[bool, bytes]:
        if not self.pieces:
            return False, b""
        words, piece = self.pieces.pop(0)
        if piece[self.step :]:
            self.pieces.insert(0, (words, piece[self.step :]))
        return words, piece[: self.step]

    async def wait(self) -> int:
        return self.status


def box(shell: Answering | None, channels: ProgramPipes | None = None) -> BoxBackend:
    shells: Feed[Shell | None] = Feed(cast("Shell | None", shell))
    return BoxBackend("xub", shells, Feed(cast("Channels | None", channels)))


def plain(value: object) -> object:
    return json.loads(msgspec.json.encode(value))


async def test_each_question_is_json_and_each_answer_too() -> None:
    shell = Answering(plain(job(1)), plain(job(1)), plain(job(1)), {}, {"now": 1.0, "jobs": [plain(job(1))]})
    supervised = box(shell)
    spec = JobSpec(ID, ("echo", "$(touch hit)'\"\n"), environment={"TOKEN": "secret"})
    assert await supervised.launch(spec) == job(1)
    assert await supervised.show(ID) == job(1)
    assert await supervised.stop(ID, "ada@laptop") == job(1)
    await supervised.remove([ID])
    assert await supervised.list() == (job(1),)
    assert shell.asked[0] == {"spec": plain(spec)}
    assert shell.asked[2:] == [{"id": ID, "by": "ada@laptop"}, {"ids": [ID]}, {"gpus": False}]
    assert not any("touch" in line or "secret" in line for line in shell.lines)


async def test_an_answer_about_another_job_is_none() -> None:
    evil = plain(replace(job(1), id="x\x1b[2J"))
    asking = box(Answering(evil, evil, evil, evil))
    for ask in (
        asking.show(ID),
        asking.stop(ID, "ada"),
        asking.launch(job(1).spec),
        asking.prepare(job(1).spec),
    ):
        with pytest.raises(RemoteError, match="answered for") as raised:
            await ask
        assert "\x1b" not in raised.value.text


async def test_bytes_that_are_no_text_come_over_exactly() -> None:
    shell = Answering(plain(job(1)))
    await box(shell).launch(JobSpec(ID, ("cat", "bar\udce9")))
    (asked,) = cast("list[dict[str, dict[str, object]]]", shell.asked)
    assert asked["spec"]["argv"] == ["cat", "bar\udce9"]


async def test_a_refusal_is_reported_in_words_that_can_be_drawn() -> None:
    shell = Answering({"error": {"title": "No such job\x1b[2J", "text": "x\ny", "hint": "z"}}, status=1)
    with pytest.raises(RemoteError) as caught:
        await box(shell).show(ID)
    assert (caught.value.title, caught.value.text, caught.value.hint) == ("No such job\ufffd[2J", "x y", "z")
    for ask in ("look", "list"):
        with pytest.raises(RemoteError, match="No such"):
            await getattr(box(Answering({"error": {"title": "No such"}}, status=1)), ask)()


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b'{"id": 3}', b"\xff", b"[" * 100_000, b'{"error": 3}'])
async def test_what_is_no_answer_is_reported(answer: bytes) -> None:
    for status in (0, 1):
        with pytest.raises(RemoteError):
            await box(Answering(answer, status=status)).show(ID)
        with pytest.raises(RemoteError):
            await box(Answering(answer, status=status)).look()
    with pytest.raises(RemoteError, match="last words"):
        await box(Answering(b"", status=137)).show(ID)


async def test_without_a_link_nothing_is_asked() -> None:
    with pytest.raises(Dropped, match="xub"):
        await box(None).look()
    with pytest.raises(Dropped):
        async with box(Answering(), None).follow(ID, 0):
            pass


async def test_a_box_without_python_says_so() -> None:
    shell = Answering()

    async def none(command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        mark = re.findall(r"gpubox-[0-9a-f]{12}(?![0-9a-f])", command)[0].encode()
        return CommandResult(0, None, b"\n" + mark + b" NONE\n", b"")

    shell.run = none  # type: ignore[method-assign]
    with pytest.raises(NoPython):
        await box(shell).look()


async def test_a_long_list_is_read_beside_the_loop() -> None:
    rows = [plain(ended(job(1, id=f"20261123-120000-{number:06d}"), 100.0)) for number in range(1000)]
    shell = Answering({"now": 1.0, "jobs": rows, "gpus": []}, {"now": 1.0, "jobs": rows, "gpus": []})
    supervised = box(shell)
    listing = await supervised.look()
    assert isinstance(listing, Listing)
    assert len(listing.jobs) == 1000
    assert (await supervised.look()).jobs == listing.jobs


async def test_seconds_are_asked_for_until_there_are_no_more() -> None:
    shell = Answering({"ticks": [{"t": 1.0}], "next": 900_000}, {"ticks": [{"t": 2.0}], "next": 900_100})
    found, at = await box(shell).ticks(ID)
    assert ([tick.t for tick in found], at) == ([1.0, 2.0], 900_100)
    backwards = Answering({"ticks": [{"t": 1.0}], "next": 3})
    assert (await box(backwards).ticks(ID, 10))[1] == 10


async def test_a_page_is_bytes_as_they_are() -> None:
    data = b'\n{"offset": 1}\n\x00\xff'
    page = await box(Answering(b'{"offset": 5, "size": 40}\n' + data)).page(ID, -3, 10)
    assert (page.offset, page.data, page.size, page.end) == (5, data, 40, 5 + len(data))


async def test_a_log_begins_behind_the_greeting_in_whatever_pieces_it_comes() -> None:
    text = b'Welcome!\n\nMARK HAVE\n{"offset": 2, "size": 4}\nab'
    for step in (1, 7, 100):
        async with box(Answering(), ProgramPipes((False, text), step=step)).follow(ID, -2) as stream:
            assert isinstance(stream, Stream)
            assert (stream.offset, stream.size) == (2, 4)
            data = b""
            while piece := await stream.read():
                data += piece
            assert (data, stream.offset) == (b"ab", 4)


async def test_a_log_is_asked_for_by_words_that_are_plain() -> None:
    channels = ProgramPipes((False, b'\nMARK HAVE\n{"offset": 2, "size": 4}\n'))
    async with box(Answering(), channels).follow(ID, -2):
        assert f" follow {ID} -2" in channels.line


async def test_a_log_of_a_box_that_keeps_no_program_is_read_by_one_that_is_sent() -> None:
    channels = ProgramPipes((False, b"\nMARK NEED\n"))
    channels.later = [(False, b'\nMARK HAVE\n{"offset": 0, "size": 2}\nab')]
    supervised = box(Answering(), channels)
    async with supervised.follow(ID, 0, wait=False) as stream:
        assert (await stream.read(), await stream.read()) == (b"ab", b"")
        assert f" copy {ID} 0" in channels.line
    assert channels.written == bundle.payload(supervised.program)


async def test_what_a_search_finds_and_counts_is_asked_and_understood() -> None:
    counted = {"blocks": [[40, 2], [90, 1]], "open": True, "done": False, "size": 100}
    shell = Answering({"at": 12, "next": 90, "size": 100}, counted)
    expected = Search("Loss'\n$(x)\udcff", exact=False, step=-1)
    asked = {"id": ID, "words": expected.words, "exact": False}
    assert await box(shell).search(ID, expected, 100) == Found(12, 90, 100)
    assert await box(shell).count(ID, expected, 7, None) == Counted(((40, 2), (90, 1)), True, False, 100)
    assert shell.asked == [{**asked, "step": -1, "offset": 100}, {**asked, "offset": 7, "end": None}]
    assert not any("Loss" in line for line in shell.lines)


@pytest.mark.parametrize(
    "said",
    [{}, {"blocks": [[1]], "open": False, "done": True, "size": 1},
     {"blocks": [[10**400, 1]], "open": False, "done": True, "size": 1}, b"[" * 100_000],
)  # fmt: skip
async def test_a_count_that_is_none_is_reported(said: object) -> None:
    with pytest.raises(RemoteError, match="Jobs cannot be read"):
        await box(Answering(said)).count(ID, Search("x"), 0, None)


async def test_a_reader_that_was_killed_is_a_loss_and_not_an_end() -> None:
    head = (False, b'\nMARK HAVE\n{"offset": 0, "size": 4}\nab')
    async with box(Answering(), ProgramPipes(head, (True, b"x\nKilled\n"), status=137)).follow(
        ID, 0
    ) as stream:
        assert await stream.read() == b"ab"
        with pytest.raises(Dropped, match="Killed"):
            await stream.read()


@pytest.mark.parametrize(
    "said",
    [b"This account is currently not available.\n", b'\nMARK HAVE\n{"error": {"title": "No such job"}}\n',
     b"x" * 100_000, b"\nMARK NEED\n", b"\nMARK HAVE\n{}\n"],
)  # fmt: skip
async def test_a_log_that_does_not_begin_is_reported(said: bytes) -> None:
    with pytest.raises(RemoteError):
        async with asyncio.timeout(LIMIT), box(Answering(), ProgramPipes((False, said))).follow(ID, 0):
            pass


async def test_an_id_that_is_none_reaches_no_shell() -> None:
    channels = ProgramPipes()
    with pytest.raises(RemoteError, match="not the id of a job"):
        async with box(Answering(), channels).follow("x; touch hit", 0):
            pass
    assert channels.line == ""
