"""Requests to the jobs program and its answers, as bytes of JSON."""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from gpubox.core.bounds import UNREADABLE
from gpubox.core.errors import RemoteError
from gpubox.core.record import Record
from gpubox.core.sanitize import clean

T = TypeVar("T")


class Refusal(msgspec.Struct, frozen=True):
    """Why the program refused a request."""

    title: str = "Jobs failed on the box"
    text: str = ""
    hint: str = ""


class _Failed(msgspec.Struct, frozen=True):
    error: Refusal


def encoded(asked: object) -> bytes:
    """Encode a request; bytes that are no UTF-8 are sent as Python's surrogate escapes."""
    try:
        return msgspec.json.encode(asked)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(asked)).encode()


def about(job: str, record: Record) -> Record:
    """Return the record of the requested job; raises RemoteError when the box answers with another."""
    if record.id != job:
        raise RemoteError(
            "Jobs cannot be read", f"The box answered for {clean(record.id, 60)}, not for {job}"
        )
    return record


def refused(data: bytes) -> None:
    """Raise RemoteError for a refusal."""
    if not data.startswith(b'{"error"'):
        return
    try:
        refusal = msgspec.json.decode(data, type=_Failed).error
    except UNREADABLE:
        return
    raise RemoteError(clean(refusal.title, 80), clean(refusal.text, 400), clean(refusal.hint, 200))


def decoded(data: bytes, answer: type[T]) -> T:
    """Decode an answer; raises RemoteError for a refusal, and for one that is malformed."""
    refused(data)
    try:
        return msgspec.json.decode(data, type=answer)
    except UNREADABLE as error:
        raise RemoteError(
            "Jobs cannot be read", f"The answer of the box cannot be decoded: {clean(str(error), 200)}"
        ) from None
