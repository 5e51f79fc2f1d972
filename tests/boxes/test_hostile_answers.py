"""Whatever a box answers to one of our programs, its caller gets an error in words."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from gpubox.agent.call import decode, encode
from gpubox.boxes.desktops import Desktops
from gpubox.boxes.envs import Environments
from gpubox.boxes.jobs.backend import Search
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.list_decoder import WORDING
from gpubox.boxes.login import Login
from gpubox.boxes.services import Services
from gpubox.core.channels import Channels
from gpubox.core.env import Env
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import CommandResult, Shell
from tests.boxes.jobs.backend import job
from tests.boxes.scripted import context

ID = job(1).id
SECRET = b"hf_s3cret"
MARK = re.compile(r"gpubox-[0-9a-f]{12}(?![0-9a-f])")
X = Env("/c/envs/x", "x", "conda")


class Hostile:
    """A shell of a box that has our programs, and answers each of them the same."""

    def __init__(self, answer: bytes, status: int | None) -> None:
        self.answer = answer
        self.status = status

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        mark = MARK.findall(command)[0].encode()
        said = b"x\n\x1b[2J\xe2\x80\xae last\nwords\x1b]0;title\x07\n"
        return CommandResult(self.status, None, b"\n" + mark + b" HAVE\n" + self.answer, said)


def shells(shell: Hostile) -> Feed[Shell | None]:
    return Feed(cast("Shell", shell))


def envs(shell: Hostile) -> Environments:
    return Environments(context("xub", shell=shells(shell)))


def jobs(shell: Hostile) -> BoxBackend:
    return BoxBackend("xub", shells(shell), Feed[Channels | None](None))


CALLS: dict[str, Callable[[Hostile], Awaitable[object]]] = {
    "envs scan": lambda shell: envs(shell).find(),
    "envs packages": lambda shell: envs(shell).packages(X),
    "envs size": lambda shell: envs(shell).size(X),
    "envs text": lambda shell: envs(shell).exported("/jobs/x/environment.yml"),
    "jobs list": lambda shell: jobs(shell).look(),
    "jobs launch": lambda shell: jobs(shell).launch(job(1).spec),
    "jobs prepare": lambda shell: jobs(shell).prepare(job(1).spec),
    "jobs show": lambda shell: jobs(shell).show(ID),
    "jobs stop": lambda shell: jobs(shell).stop(ID, "ada"),
    "jobs remove": lambda shell: jobs(shell).remove([ID]),
    "jobs ticks": lambda shell: jobs(shell).ticks(ID),
    "jobs page": lambda shell: jobs(shell).page(ID, 0, 100),
    "jobs search": lambda shell: jobs(shell).search(ID, Search("x"), 0),
    "jobs count": lambda shell: jobs(shell).count(ID, Search("x"), 0, None),
    "services": lambda shell: Services(context("xub", shell=shells(shell))).find(),
    "login": lambda shell: Login("xub", shells(shell)).read(),
    "desktops": lambda shell: Desktops(context("xub", shell=shells(shell))).list(),
}
ANSWERS = {
    "nothing": b"",
    "no UTF-8": b"\xff\xfe\x00",
    "too deep": b"[" * 200_000,
    "cut": b'{"envs": [{"prefix": "/x',
    "another shape": b'[{"hf_s3cret": "hf_s3cret"}]',
    "a number without end": b"9" * 5000,
    "control characters": b'"\x1b[2J\x1b]0;owned\x07"',
    "a refusal of another shape": b'{"error": {"title": 7, "text": "\\u001b[2J"}}',
    "an error that is none": b'{"error": "hf_s3cret"}[',
    "a refusal": b'{"error": {"title": "No\\u001b[2J", "text": "a\\nb\\u202ec", "hint": "\\u0007"}}',
    "rc files": b"Welcome\nto the box\n" * 1000,
}


@pytest.mark.parametrize("status", [0, 1, None])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("program", CALLS)
async def test_a_hostile_answer_is_an_error_in_words(program: str, answer: str, status: int | None) -> None:
    shell = Hostile(ANSWERS[answer], status)
    if program == "login":  # a job can do without: its words say why
        words = (await Login("xub", shells(shell)).read()).trouble
    elif program == "desktops" and (ANSWERS[answer].strip() or status == 0):
        # Its answer is lines, and those that make no sense are passed over.
        assert await CALLS[program](shell) == ()
        return
    else:
        with pytest.raises(RemoteError) as raised:
            await CALLS[program](shell)
        error = raised.value
        words = str(error)
        assert error.title
        quoted = f"{error!r}{error.__cause__!r}{error.__context__!r}"
        assert program not in ("services", "login") or SECRET.decode() not in quoted
    assert words.isprintable()
    assert len(words) < 800
    assert SECRET.decode() not in words or program not in ("services", "login")


def test_bytes_that_are_no_text_go_over_as_python_has_them() -> None:
    assert encode({"argv": ["bar\udce9"]}) == b'{"argv": ["bar\\udce9"]}'


def test_what_the_program_said_last_stands_in_the_error_of_one_that_failed() -> None:
    failed = CommandResult(1, None, b"{", b"Traceback\nMemoryError\n")
    with pytest.raises(RemoteError, match="not an answer about jobs: MemoryError") as raised:
        decode(failed.stdout, dict[str, object], WORDING, failed)
    assert raised.value.status == 1
