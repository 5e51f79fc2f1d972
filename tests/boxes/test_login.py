"""The environment of a login as it is kept here: once for each link, in memory, and in no words."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest

from gpubox.boxes.jobs.backends.slurm.commands import exports
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.spec_parsing import new_id, program_of
from gpubox.boxes.login import Login
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import Record
from gpubox.core.shell import Channel, CommandResult, Shell
from gpubox.local.shell import LocalShell

SECRET = "5ecret"


class Box:
    """A shell whose programs answer at once, and count how often they are run."""

    def __init__(self, answer: object = None, *, dropped: bool = False) -> None:
        entries = f"PATH=/login/bin\0TOKEN={SECRET}\0ODD=\udc80\0no variable\0=x".encode(
            "utf-8", "surrogateescape"
        )
        good = {"environment": base64.b64encode(entries).decode()}
        self.answer = good if answer is None else answer
        self.dropped = dropped
        self.reads = 0
        self.lines: list[str] = []
        self.stdin: list[bytes] = []

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        await asyncio.sleep(0)
        self.lines.append(command)
        self.stdin.append(stdin)
        if self.dropped:
            raise Dropped("Lost", "gone")
        mark = command[command.index("gpubox-") :].split()[0]
        answer = self.answer
        if "gpubox.remote.login" not in command:
            spec = msgspec.convert(json.loads(stdin)["spec"], JobSpec)
            answer = msgspec.to_builtins(Record(spec.id, "running", spec, 1.0))
        else:
            self.reads += 1
        return CommandResult(0, None, f"noise\n{mark} HAVE\n{json.dumps(answer)}\n".encode(), b"")

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncGenerator[Channel]:
        raise AssertionError(command)
        yield


def of(box: Shell | None) -> tuple[Login, Feed[Shell | None]]:
    feed: Feed[Shell | None] = Feed(box)
    return Login("box", feed), feed


async def test_it_is_read_once_for_each_link_however_many_ask() -> None:
    box, other = Box(), Box()
    login, feed = of(box)
    found = await asyncio.gather(*(login.read() for _ in range(5)))
    assert {one.variables["PATH"] for one in found} == {"/login/bin"}
    assert found[0].variables == {"PATH": "/login/bin", "TOKEN": SECRET, "ODD": "\udc80"}
    assert box.reads == 1
    feed.put(other)
    await login.read()
    await login.read()
    assert (box.reads, other.reads) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ({"words": "it hangs\x1b[2J"}, "it hangs"),
        ({"environment": "%%%"}, "The box sent something that is not the environment of a login"),
        ({"environment": ""}, "It is empty"),
        ([1], "The box sent something that is not the environment of a login"),
    ],
)
async def test_what_cannot_be_read_is_reported_in_words_and_not_asked_again(
    answer: object, trouble: str
) -> None:
    box = Box(answer)
    login, _ = of(box)
    for _ in range(2):
        found = await login.read()
        assert (found.trouble.partition("\x1b")[0][: len(trouble)], found.variables) == (trouble, {})
        assert "\x1b" not in found.trouble
    assert box.reads == 1


async def test_a_link_that_drops_meanwhile_is_no_answer() -> None:
    box = Box(dropped=True)
    login, feed = of(box)
    with pytest.raises(Dropped):
        await login.read()
    box.dropped = False
    assert (await login.read()).variables["PATH"] == "/login/bin"
    feed.put(None)
    with pytest.raises(Dropped):
        await login.read()


async def test_its_values_are_in_no_words() -> None:
    login, _ = of(Box())
    assert SECRET not in repr(await login.read())


@pytest.mark.parametrize("expected", [True, False])
async def test_a_launch_sends_it_over_stdin_and_in_no_command_line(expected: bool) -> None:
    box = Box()
    login, feed = of(box)
    channels: Feed[Channels | None] = Feed(None)
    backend = BoxBackend("box", feed, channels, login=login)
    await backend.launch(JobSpec(new_id(), ("uv",), login=expected))
    assert box.reads == int(expected)
    sent = json.loads(box.stdin[-1])
    assert ("base" in sent) == expected
    assert not expected or sent["base"] == {"PATH": "/login/bin", "TOKEN": SECRET, "ODD": "\udc80"}
    assert sent["spec"].get("login", True) == expected
    assert SECRET not in "".join(box.lines)


async def test_a_launch_without_it_says_why() -> None:
    box = Box({"words": "its start files took longer than 3 s"})
    login, feed = of(box)
    channels: Feed[Channels | None] = Feed(None)
    backend = BoxBackend("box", feed, channels, login=login)
    for ask in (backend.launch, backend.prepare):
        await ask(JobSpec(new_id(), ("uv",)))
        sent = json.loads(box.stdin[-1])
        assert "took longer than 3 s" in sent["unread"]
        assert "base" not in sent


async def test_a_box_that_keeps_no_program_has_no_line_for_a_command() -> None:
    class Full(Box):
        async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
            mark = command[command.index("gpubox-") :].split()[0]
            return CommandResult(0, None, f"\n{mark} NONE\n".encode(), b"")

    login, _ = of(Full())
    with pytest.raises(RemoteError):
        await login.command("uv")
    assert await login.hint("uv") == ""


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (("uv", "sync"), "uv"), (("uv sync",), "uv"), (("A=1 B=2 uv sync",), "uv"), (("./uv",), ""),
        ((), ""), (("'",), ""), (("/usr/bin/uv", "x"), ""), (("uv sync; ls",), "uv"),
    ],
)  # fmt: skip
def test_the_program_of_a_command(words: tuple[str, ...], program: str) -> None:
    assert program_of(words) == program


async def test_a_shell_takes_variables_as_they_are() -> None:
    odd = {
        "A": "a 'b' \"c\"\n$(touch hit) \\",
        "BASH_FUNC_x%%": "() { :; }",
        "UID": "7",
        "PPID": "7",
        "a-b": "1",
    }
    for shell in ("sh", "bash --posix"):
        script = f"{exports(odd)}printf '%s|' \"$A\"; env | grep -c -e BASH_FUNC -e a-b"
        done = await LocalShell().run(f"exec {shell}", stdin=script.encode())
        assert done.stdout.decode() == f"{odd['A']}|0\n", done.stderr
