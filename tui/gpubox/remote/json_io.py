"""Requests and answers of our programs as JSON, and the errors that go back to the user."""

from __future__ import annotations

import contextlib
import json
import os
import re

from gpubox.common.refusal import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Callable, Dict

    Row = Dict[str, Any]

REQUEST = 32 << 20
"""Most bytes of a request."""


def request(errors: str = "strict") -> Row:
    """Return the request on stdin; `errors` is as for bytes.decode. Raises Refused for what is none."""
    data = b""
    while len(data) <= REQUEST:
        block = os.read(0, 1 << 20)
        if not block:
            break
        data += block
    try:
        found = json.loads(data.decode("utf-8", errors) or "{}")
    except (ValueError, RecursionError) as error:
        raise Refused("Not understood", "The request is no JSON: %s" % error) from None
    if not isinstance(found, dict):
        raise Refused("Not understood", "The request is no JSON object")
    return found


def encoded(value: object) -> bytes:
    """Return an answer as JSON; bytes that are not UTF-8 become U+FFFD, which every reader accepts."""
    return re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(value, ensure_ascii=False)).encode()


def emit(value: object) -> None:
    """Write an answer as one line. Raises OSError, BrokenPipeError when nobody reads it."""
    write(encoded(value) + b"\n")


def write(data: bytes) -> None:
    """Write all of something to stdout. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def serve(title: str, work: Callable[[], int], hint: str = "") -> int:
    """Run `work` and return its exit status; an error that it raises is written as the answer, with status 1.

    `title` and `hint` are for errors that nobody foresaw.
    """
    try:
        return work()
    except BrokenPipeError:
        return 1  # nobody reads
    except Refused as refused:
        answer = refused.answer
    except Exception as error:  # the border of a program: its fault is its answer
        answer = failure(title, error, hint)
    with contextlib.suppress(BrokenPipeError):
        emit(answer)
    return 1


def failure(title: str, error: BaseException, hint: str = "") -> Row:
    """Return the answer for an error that nobody foresaw."""
    return Refused(title, error_line(error), hint).answer


def error_line(error: BaseException) -> str:
    """Return an exception in one line: what it is, and where it came from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = " (%s line %d)" % (os.path.basename(trace.tb_frame.f_code.co_filename), trace.tb_lineno)
    return "%s: %s%s" % (type(error).__name__, str(error)[:200], place)
