"""The jobs program: takes a verb as argument and a request as JSON on stdin, and answers with JSON.

A refused request is answered with {"error": {"title", "text", "hint"}} and exit code 1.
`page`, `follow` and `copy` answer with a line of JSON and then raw bytes of the log.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time

from gpubox.common.escapes import without_escapes
from gpubox.remote import json_io, process_tree
from gpubox.remote.jobs import gpu_queue, launcher, records
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Generator, List, Tuple

    Row = Dict[str, Any]

MOST = 1000
"""Most jobs of a list."""
PATIENCE = 2.0
"""Seconds that a list waits for the GPUs."""
BLOCK = 1 << 18
LOOK = 4 << 20
"""Bytes of a log that are searched at once."""
SLICE = 1.0
"""Seconds after which a search returns its progress."""
TICKS = 1 << 20
"""Most bytes of samples in one answer."""


def _number(value: object, other: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else other


def _placed(record: Row, waiting: Dict[str, int]) -> Row:
    """Add the number of jobs ahead to the record of a queued job."""
    before = waiting.get(record["id"])
    if record["state"] == "queued" and before is not None:
        record["ahead"] = before
        if before and record.get("waits"):
            record["waits"] += "; %d job%s before it" % (before, "" if before == 1 else "s")
    return record


def show(asked: Row) -> Row:
    """Return one current record."""
    folder = records.folder_of(asked.get("id"))
    record = records.current(folder)
    if record is None:
        raise Refused("The record cannot be read", "%s is damaged" % folder)
    spec = records.load(os.path.join(folder, "spec.json")) or {}
    if spec.get("files"):
        record["spec"] = dict(record["spec"], files=spec["files"])
    return _placed(record, gpu_queue.order())


def listing(asked: Row) -> Row:
    """Return all records, newest first, and the GPUs of the queue unless `gpus` is false."""
    jobs = records.jobs_folder()
    found = (records.current(os.path.join(jobs, job)) for job in records.ids(jobs)[:MOST])
    rows = [record for record in found if record]
    waiting = gpu_queue.order() if any(record["state"] == "queued" for record in rows) else {}
    answer: Row = {"now": time.time(), "jobs": [_placed(record, waiting) for record in rows], "gpus": []}
    if asked.get("gpus", True):
        with contextlib.suppress(gpu_queue.Unanswered):
            folder = gpu_queue.queue_folder()
            answer["gpus"] = gpu_queue.with_leases(gpu_queue.places(folder, None, 5.0, limit=PATIENCE))
    return answer


def ticks(asked: Row) -> Row:
    """Return samples from an offset of their file, and the offset of the next ones."""
    path = os.path.join(records.folder_of(asked.get("id")), "samples")
    start = max(0, _number(asked.get("start")))
    data = b""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        file.seek(start)
        data = file.read(TICKS)
    whole = data[: data.rfind(b"\n") + 1]
    rows: List[object] = []
    for line in whole.splitlines():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line.decode("utf-8", "replace")))
    return {"ticks": rows, "next": start + len(whole)}


def remove(asked: Row) -> Row:
    """Delete the records of ended jobs; raises Refused for one that has not ended."""
    import shutil

    for job in asked.get("ids") or ():
        try:
            folder = records.folder_of(job)
        except Refused as refused:
            if refused.title == "No such job":
                continue
            raise
        record = records.current(folder)
        if record and record["state"] in records.ACTIVE:
            raise Refused("The job has not ended", "%s is %s" % (job, record["state"]), "Stop it first")
        gone = os.path.join(os.path.dirname(folder), ".gone-%s" % job)
        os.rename(folder, gone)  # readers of the list no longer see it
        shutil.rmtree(gone, ignore_errors=True)
        records.touch(os.path.dirname(folder))
    return {}


def settle(asked: Row) -> Row:
    """Record the ending of a job that its queue reports, and return the record.

    The supervisor's own ending is kept, unless it is a mere status that the queue can explain. A record
    written on another machine may take a while to arrive through a network disk.
    """
    folder = records.folder_of(asked.get("id"))
    record = records.load(os.path.join(folder, "status.json")) or {}
    supervisor, ending = record.get("supervisor") or {}, record.get("ending") or {}
    ended = asked.get("ended") or time.time()
    waits = asked.get("ran", True) and process_tree.rebooted(supervisor) and time.time() < ended + 30
    # A queue that only knows of a failure knows less than our record. A queue that ended the job knows
    # more: a command that gets TERM may exit with status 0.
    by_itself = ending.get("how") in ("exit", "signal")
    canceled = bool(ending.get("by")) and ending["by"] == asked.get("canceler")
    explained = canceled or (by_itself and asked.get("forced"))
    lives = process_tree.alive(supervisor) or process_tree.alive(record.get("main"))
    if lives or waits or not (record.get("state") in records.ACTIVE or explained):
        return show(asked)
    found = {name: text for name, text in (asked.get("ending") or {}).items() if isinstance(text, str)}
    if found.get("how") == "stopped":
        by = records.load(os.path.join(folder, "stop.json")) or {}
        found["by"] = str(by.get("by") or asked.get("canceler") or "its queue")
    own = {name: value for name, value in ending.items() if name not in ("by", "why")}
    record.update(state="ended", ended=record.get("ended") or ended, waits="", ending=dict(own, **found))
    record["gpus"] = records.gpus(folder) or record.get("gpus") or []
    record["spark"] = records.spark(folder)
    records.save(folder, record, last=True)
    return show(asked)


def ignore(asked: Row) -> Row:
    """Stop counting a process as a user of a GPU."""
    pid = _number(asked.get("pid"), -1)
    start = process_tree.start_of(pid)
    if not start:
        raise Refused("No such process", "The box has no process %d" % pid, "It may have ended")
    gpu_queue.ignore(pid, _number(asked.get("start")) or start)
    return {}


@contextlib.contextmanager
def _streaming() -> Generator[None, None, None]:
    """Turn errors into exit code 1 without a message: output now would count as bytes of the log."""
    try:
        yield
    except (OSError, ValueError, Refused) as error:
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write("gpubox: %s\n" % error)
        sys.exit(1)


def _open_log(folder: str) -> int:
    path = os.path.join(folder, "log")
    return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _header(log: int, offset: int) -> Tuple[int, int]:
    size = os.fstat(log).st_size
    offset = max(0, size + offset) if offset < 0 else min(offset, size)
    json_io.emit({"offset": offset, "size": size})
    return offset, size


def page(asked: Row) -> None:
    """Write a piece of the log."""
    log = _open_log(records.folder_of(asked.get("id")))
    offset, size = _header(log, _number(asked.get("offset")))
    with _streaming():
        _copy(log, offset, min(size, offset + max(0, _number(asked.get("length"), BLOCK))))


def _copy(log: int, offset: int, end: int) -> int:
    while offset < end:
        data = os.pread(log, min(BLOCK, end - offset), offset)
        if not data:
            break
        json_io.write(data)
        offset += len(data)
    return offset


def follow(job: str, offset: int, wait: bool) -> None:
    """Write the log from an offset: to its present end, or with `wait` until the job has ended."""
    folder = records.folder_of(job, anywhere=True)
    log = _open_log(folder)
    offset, size = _header(log, offset)
    with _streaming():
        if wait:
            _follow(folder, log, offset)
        else:
            _copy(log, offset, size)


def _follow(folder: str, log: int, offset: int) -> None:
    out = select.poll()
    out.register(1, 0)
    pause, next_look, ended = 0.01, 0.0, False
    while True:
        size = os.fstat(log).st_size
        if offset < size:
            offset = _copy(log, offset, size)
            pause = 0.01
            continue
        if ended or out.poll(0):  # everything was written, or the reader has gone
            return
        if time.monotonic() >= next_look:
            record = records.current(folder, figures=False)
            # Its last output may have come after the size was read: one more round.
            ended = record is None or record["state"] == "ended"
            next_look = time.monotonic() + 0.3
            continue
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def search(asked: Row) -> Row:
    """Search for the next matching line from the start of a line, for SLICE seconds.

    Returns its offset or None as `at`, and the offset to continue from as `next`. A line longer than LOOK
    counts as several.
    """
    log = _open_log(records.folder_of(asked.get("id")))
    size = os.fstat(log).st_size
    words, exact = _words_of(asked)
    ahead = _number(asked.get("step"), 1) > 0
    edge = max(0, min(_number(asked.get("offset")), size))
    at, end = None, time.monotonic() + SLICE
    while at is None and edge != (size if ahead else 0):
        begin = edge if ahead else max(0, edge - LOOK)
        data = os.pread(log, min(LOOK, size - begin) if ahead else edge - begin, begin)
        if ahead:
            last = begin + len(data) == size or not data
            data = data if last else data[: data.rfind(b"\n") + 1] or data
            edge = begin + len(data) if data else size
        else:
            first = data.find(b"\n", 0, len(data) - 1) + 1 if begin else 0
            data, edge = data[first:], begin + first
        start = _line_with(data, words, exact, ahead)
        at = None if start < 0 else (edge - len(data) if ahead else edge) + start
        if time.monotonic() > end:
            break
    os.close(log)
    return {"at": at, "next": edge, "size": size}


def _words_of(asked: Row) -> Tuple[bytes, bool]:
    """Return the words to search for, in lower case unless case matters, and whether it does."""
    words, exact = str(asked.get("words")).encode("utf-8", "surrogateescape"), bool(asked.get("exact"))
    return words if exact else words.lower(), exact


def _text(data: bytes, exact: bool) -> bytes:
    """Return lines as they are searched: without colors, which would split words."""
    plain = without_escapes(data)
    return plain if exact else plain.lower()


def _line_with(data: bytes, words: bytes, exact: bool, first: bool) -> int:
    """Return the start of the first or last matching line in `data`; -1 when none matches."""
    text = _text(data, exact)
    place = text.find(words) if first else text.rfind(words)
    if place < 0 or len(text) == len(data):
        return data.rfind(b"\n", 0, place) + 1 if place >= 0 else -1
    line = text.count(b"\n", 0, place)
    start = 0
    for _ in range(line):
        start = data.find(b"\n", start) + 1
    return start


def count(asked: Row) -> Row:
    """Count the lines that `search` would find, from the start of a line, for SLICE seconds.

    It counts up to offset `end`, or to the end of the log. Returns the end and the count of each piece of
    the log as `blocks`, whether the unfinished line after them matches as `open`, and whether everything
    was counted as `done`.
    """
    log = _open_log(records.folder_of(asked.get("id")))
    size = os.fstat(log).st_size
    words, exact = _words_of(asked)
    limit = max(0, min(_number(asked.get("end"), size), size))
    edge = max(0, min(_number(asked.get("offset")), limit))
    blocks: List[Tuple[int, int]] = []
    unfinished, end = b"", time.monotonic() + SLICE
    while not blocks or (edge < limit and time.monotonic() <= end):
        data = os.pread(log, min(LOOK, limit - edge), edge)
        whole = data[: data.rfind(b"\n") + 1]
        if edge + len(data) == size:
            data, unfinished = whole, data[len(whole) :]
        elif edge + len(data) < limit:
            data = whole or data
        if not data:
            break
        edge += len(data)
        blocks.append((edge, _lines_with(data, words, exact)))
    os.close(log)
    is_open, done = _lines_with(unfinished, words, exact) > 0, edge + len(unfinished) >= limit
    return {"blocks": blocks, "open": is_open, "done": done, "size": size}


def _lines_with(data: bytes, words: bytes, exact: bool) -> int:
    """Return the number of matching lines."""
    text = _text(data, exact)
    lines, place = 0, text.find(words)
    while place >= 0:
        lines += 1
        place = text.find(b"\n", place + len(words)) + 1
        place = text.find(words, place) if place else -1
    return lines


def _job(asked: Row) -> object:
    """Return a spec with its unrecorded part: the variables of a login, or why they are missing."""
    spec = asked.get("spec")
    more = {name: asked[name] for name in ("base", "unread") if asked.get(name)}
    return dict(spec, **more) if isinstance(spec, dict) else spec


VERBS: Dict[str, Callable[[Row], Any]] = {
    "launch": lambda asked: launcher.launch(_job(asked)),
    "prepare": lambda asked: launcher.prepared(_job(asked)),
    "list": listing,
    "show": show,
    "ticks": ticks,
    "stop": lambda asked: launcher.stop(asked.get("id"), asked.get("by")),
    "remove": remove,
    "ignore": ignore,
    "settle": settle,
    "page": page,
    "search": search,
    "count": count,
}


def _serve(words: List[str]) -> int:
    verb = words[0] if words else ""
    if verb in ("follow", "copy") and len(words) == 3:
        follow(words[1], int(words[2]), verb == "follow")
    elif verb == "payload" and len(words) == 4:
        return launcher.payload(*words[1:])
    elif verb == "unit" and len(words) == 2:
        from gpubox.remote.jobs import systemd

        systemd.serve(words[1], launcher.supervise)
    elif verb in VERBS:
        answer = VERBS[verb](json_io.request("surrogateescape"))
        if verb != "page":
            json_io.emit(answer)
    else:
        raise Refused("Not understood", "There is no verb %s" % ascii(" ".join(words)))
    return 0


def main(words: List[str]) -> int:
    """Serve one request; returns the exit code."""
    return json_io.serve("Jobs failed on the box", lambda: _serve(words))
