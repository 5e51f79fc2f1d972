"""Calls programs on the box: sends JSON, decodes the typed answer, and turns failures into RemoteError."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import msgspec

from gpubox.agent import program_cache
from gpubox.agent.bundle import Program
from gpubox.core.errors import RemoteError
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.sanitize import clean, last_line
from gpubox.core.shell import CommandResult, Shell

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for a call, including the login shell and its start files."""
_REFUSED = b'{"error"'
"""The beginning of an answer in which a program refuses a request."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts for errors of a program."""

    title: str
    """Title of errors without one of the program's own: `Environments cannot be read`."""
    answer: str
    """The expected answer: `a list of environments`."""
    hint: str = ""
    """What the user can do instead."""
    box: str = "The box"
    """What the user calls the box."""
    secret: bool = False
    """Whether answers may hold secrets; these are never quoted."""

    def silent(self, result: CommandResult) -> RemoteError:
        """Return the error of a program that ended without an answer."""
        said = last_line(result.stderr) or "it said nothing"
        return RemoteError(self.title, f"{self.box} gave no answer: {said}", self.hint, status=result.status)

    def garbled(self, detail: str = "", status: int | None = None) -> RemoteError:
        """Return the error of an answer that cannot be read."""
        more = f": {detail}" if detail and not self.secret else ""
        text = f"{self.box} sent something that is not {self.answer}{more}"
        return RemoteError(self.title, text, self.hint, status=status)


class _Refusal(msgspec.Struct, frozen=True):
    title: str = ""
    text: str = ""
    hint: str = ""


class _Refused(msgspec.Struct, frozen=True):
    error: _Refusal


_REFUSALS = msgspec.json.Decoder(_Refused)


async def call(
    shell: Shell,
    program: Program,
    request: object,
    answer: type[T],
    wording: Wording,
    *,
    words: Sequence[str] = (),
    python: str = "",
    environment: Mapping[str, str] = {},
    timeout: float = PATIENCE,
) -> T:
    """Send a request to a program of ours on the box and return its answer.

    `request` is anything that msgspec can encode; None sends nothing. `words` are the program's arguments,
    usually a verb; untrusted text belongs in the request. `timeout` is in seconds. Raises RemoteError with
    the program's own text when it refuses, with that of `wording` when its answer is missing or unreadable,
    and everything that program_cache.run raises.
    """
    data = encode(request) if request is not None else b""
    result = await run(
        shell, program, *words, wording=wording, stdin=data, python=python, environment=environment,
        timeout=timeout,
    )  # fmt: skip
    return decode(result.stdout, answer, wording, result)


async def run(
    shell: Shell,
    program: Program,
    *words: str,
    wording: Wording,
    stdin: bytes = b"",
    python: str = "",
    environment: Mapping[str, str] = {},
    timeout: float = PATIENCE,
) -> CommandResult:
    """Run a program of ours whose answer is more than JSON, and return its output; raises as `call`."""
    result = await program_cache.run(
        shell, program, *words, stdin=stdin, python=python, environment=environment,
        timeout=timeout,
    )  # fmt: skip
    if not result.ok and not result.stdout.strip():
        raise wording.silent(result)
    return result


def encode(request: object) -> bytes:
    """Return a request as JSON; bytes that are not UTF-8 are sent as Python's surrogate escapes."""
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(request)).encode()


def decode(data: bytes, answer: type[T], wording: Wording, result: CommandResult | None = None) -> T:
    """Return an answer, decoded; raises RemoteError as `call`.

    With a `result`, the error contains its exit status and the end of its stderr.
    """
    check(data, wording)
    try:
        return decode_json(data, _decoder(answer))
    except Unreadable as error:
        reason = str(error)
    said = last_line(result.stderr) if result is not None and not result.ok else ""
    raise wording.garbled(said or reason, result.status if result is not None else None)


def check(data: bytes, wording: Wording) -> None:
    """Raise RemoteError when an answer is a refusal."""
    if not data[: 2 * len(_REFUSED)].lstrip().startswith(_REFUSED):
        return
    try:
        refusal = decode_json(data, _REFUSALS).error
    except Unreadable as error:
        raise wording.garbled(str(error)) from None
    raise refused(refusal.title, refusal.text, refusal.hint)


def refused(title: str, text: str, hint: str) -> RemoteError:
    """Return a program's refusal as an error that is safe to draw."""
    return RemoteError(clean(title, 80) or "Refused by the box", clean(text, 400), clean(hint, 200))


@cache
def _decoder(answer: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(answer)
