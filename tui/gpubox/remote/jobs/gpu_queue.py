"""The queue for GPUs, without a daemon: tickets and leases are notes that all users can read; see leases.py.

Each waiting job is a supervisor that sleeps on the lock of the ticket before it; when that one leaves or is
killed, the kernel wakes it.

Notes: `ticket-00000001-ID`, `lease-ID`, `live-ID` (exists as long as a supervisor lives). In our own folder
also: `ignored` (processes that do not count), `places.json` (the newest scan of the GPUs).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time

from gpubox.remote import process_tree, signal_waits
from gpubox.remote.jobs import leases, records
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

    Row = Dict[str, Any]

LOOK = 10.0
"""Seconds for a scan of the GPUs: a sick driver never answers."""
FRESH = 2.0
"""Seconds for which a scan is current."""
SILENT = 20.0
"""Seconds for which a driver that did not answer is not asked again."""
ASLEEP = 60.0
"""Seconds after which a sleeping job looks around again, even if nothing woke it."""
NO_ANSWER = "The GPU driver does not answer"


class Unanswered(Exception):
    """The GPUs could not be scanned; the text says why."""


def queue_folder() -> str:
    """Return our folder of the queue, never on a network disk; raises Refused."""
    return leases.own_folders()[0]


def lock(path: str, kind: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Optional[int]:
    """Return a handle with the lock of a file of our own, or None when another process holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, kind)
        return handle
    except BlockingIOError:
        os.close(handle)
        return None


def tickets() -> List[Row]:
    """Return the tickets of all waiting jobs, the oldest first.

    Those of one user keep the order of their numbers, even if the clock was set back between them.
    """
    found = [dict(note, number=int(note["name"].split("-")[1])) for note in leases.notes("ticket")]
    latest: Dict[int, int] = {}
    for ticket in sorted(found, key=lambda one: (one["number"], one["at"])):
        latest[ticket["uid"]] = ticket["at"] = max(ticket["at"], latest.get(ticket["uid"], 0))
    return sorted(found, key=lambda one: (one["at"], one["uid"], one["number"], one["name"]))


def order() -> Dict[str, int]:
    """Return the number of jobs, of all users, ahead of each waiting job of ours."""
    try:
        waiting = enumerate(tickets())
        return {ticket["job"]: place for place, ticket in waiting if ticket["uid"] == os.getuid()}
    except (OSError, Refused):
        return {}


def live_path(job: str) -> str:
    """Return the path of the note that a job's supervisor lives; empty without a queue."""
    try:
        return os.path.join(queue_folder(), "live-" + job)
    except Refused:
        return ""


def live(job: str) -> Optional[leases.Note]:
    """Publish that a job's supervisor lives; the note ends with it, which wakes those who wait."""
    try:
        return leases.Note("live-" + job, {})
    except Refused:
        return None


def ignored(folder: str) -> List[List[int]]:
    """Return the processes, as pid and start, that the user excluded from the users of GPUs."""
    found = records.load(os.path.join(folder, "ignored")) or {}
    return [[int(pid), int(start)] for pid, start in found.get("processes", ())]


def ignore(pid: int, start: int) -> None:
    """Stop counting a process as a user of a GPU; drops entries of processes that ended."""
    folder = queue_folder()
    gate = lock(os.path.join(folder, "ignored.lock"), fcntl.LOCK_EX)
    try:
        rows = [row for row in ignored(folder) if process_tree.start_of(row[0]) == row[1] and row[0] != pid]
        records.store(os.path.join(folder, "ignored"), {"processes": [*rows, [pid, start]]})
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, "places.json"))
    finally:
        if gate is not None:
            os.close(gate)


def _asked(skip: Sequence[Sequence[int]]) -> Row:
    """Scan the GPUs and their processes; this calls gpu_places.py."""
    try:
        from gpubox.remote.jobs import gpu_places
    except ImportError:
        return {"error": "The part of gpubox that asks for GPUs is not there"}
    try:
        return {"places": gpu_places.places([], [list(row) for row in skip], process_tree.jobs_of_all())}
    except BaseException as error:  # any failure of a driver is reported, never raised
        return {"error": str(error) or type(error).__name__}


_hung: List[int] = []
"""Killed children that asked a silent driver: a process inside of the driver does not end yet."""


def _reap() -> None:
    """Reap those that ended: a job may wait for days, and ask a silent driver every 20 seconds."""
    for pid in list(_hung):
        try:
            over = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # already reaped
            over = True
        if over:
            _hung.remove(pid)


def look(
    watcher: Optional[signal_waits.SignalWatcher], skip: Sequence[Sequence[int]] = (), limit: float = LOOK
) -> List[Row]:
    """Return the GPUs and their processes, fields as core.record.GpuPlace; a child asks, as it may hang.

    Raises Unanswered.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal_waits.fresh_child()
            signal_waits.close_others(write)
            with open(write, "wb") as out:
                out.write(json.dumps(_asked(skip)).encode())
        finally:
            os._exit(0)
    os.close(write)
    try:
        data = signal_waits.collect(read, watcher, limit)
    finally:
        os.close(read)
        process_tree.send(pid, signal.SIGKILL)
    _reap()
    if data is None:
        _hung.append(pid)
        raise Unanswered(NO_ANSWER)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    try:
        found = json.loads(data.decode())
        places = found.get("places")
    except ValueError:
        raise Unanswered("The look at the GPUs broke off") from None
    if places is None:
        raise Unanswered(str(found.get("error")))
    return places


def places(
    folder: str,
    watcher: Optional[signal_waits.SignalWatcher],
    age: float,
    skip: Sequence[Sequence[int]] = (),
    limit: float = LOOK,
) -> List[Row]:
    """Return the newest scan of the GPUs, repeated when it is older than `age`; raises Unanswered.

    A failed scan is repeated soon, one of a silent driver later, because callers have to wait for it.
    """
    path = os.path.join(folder, "places.json")
    cached: Row = {} if skip else records.load(path) or {}
    if "error" in cached:
        age = SILENT if cached["error"] == NO_ANSWER else min(age, FRESH)
    if not -1 < time.time() - cached.get("at", 0.0) < age:
        cached = {"at": time.time()}
        try:
            cached["places"] = look(watcher, [*skip, *ignored(folder)], limit)
        except Unanswered as error:
            cached["error"] = str(error)
        if not skip and not (watcher and watcher.asked):
            records.store(path, cached)
    if "error" in cached:
        raise Unanswered(cached["error"])
    return cached["places"]


def names(place: Row, words: Sequence[str]) -> bool:
    """Return whether a GPU is named among these UUIDs, beginnings of UUIDs, or indices."""
    uuid = str(place["uuid"])
    return any(
        word and (word == str(place["index"]) or (len(word) > 3 and uuid.startswith(word))) for word in words
    )


def candidates(want: Row, known: Sequence[Row]) -> Tuple[List[Row], int]:
    """Return the GPUs that satisfy a request, and how many of them it needs."""
    allowed = [place for place in known if not names(place, want.get("exclude") or ())]
    if want.get("mode") == "chosen":
        chosen = want.get("uuids") or ()
        return [place for place in allowed if names(place, chosen)], len(chosen)
    return allowed, int(want.get("count", 1))


def missing(want: Row, known: Sequence[Row]) -> str:
    """Return in words why a request can never be satisfied; empty when it can."""
    fit, need = candidates(want, known)
    if len(fit) >= need:
        return ""
    if want.get("mode") == "chosen":
        lost = [word for word in want.get("uuids") or () if not any(names(place, [word]) for place in fit)]
        there = [word for word in lost if any(names(place, [word]) for place in known)]
        if there:
            return "GPU %s may not be used: it is excluded" % ", ".join(there)
        return "There is no GPU %s on this box" % ", ".join(lost)
    out = len(known) - len(fit)
    has = "no GPU" if not known else "%d GPU%s" % (len(known), "" if len(known) == 1 else "s")
    words = "It asks for %d GPU%s, and the box has %s" % (need, "" if need == 1 else "s", has)
    return words + (", %d of them excluded" % out if out else "")


def _leases() -> Dict[str, List[Row]]:
    """Return the leases of each GPU; several if a job did not wait for a free one."""
    found: Dict[str, List[Row]] = {}
    for note in leases.notes("lease"):
        gpus = note.get("gpus")
        for uuid in gpus if isinstance(gpus, list) else ():
            if isinstance(uuid, str):
                found.setdefault(uuid, []).append(note)
    return found


def with_leases(known: Sequence[Row]) -> List[Row]:
    """Return GPUs as the queue sees them: their leases, and whether they are free.

    Our own jobs are named by their ids; jobs of other users count as foreign processes.
    """
    held = _leases()
    shown: List[Row] = []
    for place in known:
        job = str(place.get("job") or "")
        strangers: List[str] = list(place.get("strangers") or ())
        for note in held.get(place["uuid"], ()):
            if note["uid"] == os.getuid():
                job = note["job"]
            else:
                job = "" if job == note["job"] else job
                strangers.insert(0, "job %s of %s" % (note["job"], leases.user_name(note["uid"])))
        shown.append(dict(place, job=job, strangers=strangers, free=not job and not strangers))
    return shown


class Lease:
    """GPUs that a job holds."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.places: List[Row] = []
        self._note: Optional[leases.Note] = None

    @property
    def uuids(self) -> List[str]:
        """The GPUs of the job, including shared ones."""
        return [place["uuid"] for place in self.places]

    def take(self, chosen: Sequence[Row], *, shared: bool = False) -> bool:
        """Lease GPUs; return whether it succeeded. With `shared`, GPUs in use are leased too.

        Raises Refused when the note cannot be written.
        """
        uuids = [place["uuid"] for place in chosen]
        note = leases.Note("lease-" + self.job, {"gpus": uuids})
        held = _leases()
        others = [one for uuid in uuids for one in held.get(uuid, ())]
        if not shared and any((one["uid"], one["name"]) != (os.getuid(), note.name) for one in others):
            note.withdraw()
            return False
        self._note = note
        self.places = list(chosen)
        return True

    def belongs(self, main: Row) -> None:
        """Add the process that the lease is for: the lease lasts as long as it runs, even without us."""
        if self._note is not None:
            self._note.add({"main": main})

    def rewrite(self) -> None:
        """Rewrite the lease if it was deleted."""
        if self._note is not None:
            self._note.rewrite()

    def release(self) -> None:
        """Release the GPUs."""
        if self._note is not None:
            self._note.withdraw()
            self._note = None


def _sentence(want: Row, known: Sequence[Row]) -> str:
    """Return in words what a job waits for, given GPUs of `with_leases`."""
    fit, need = candidates(want, known)
    head = "%d free GPU%s" % (need, "" if need == 1 else "s")
    if want.get("mode") == "chosen":
        head = "GPU " + ", ".join(str(place["index"]) for place in fit or [{"index": "as chosen"}])
    parts = [head]
    for place in fit:
        who = [str(stranger) for stranger in place.get("strangers") or ()]
        if place.get("job"):
            who.insert(0, "job " + str(place["job"]))
        if who:
            parts.append("GPU %s: %s" % (place["index"], ", ".join(who)))
    return "; ".join(parts)


def _want(note: Row) -> Row:
    """Return the request of a ticket; another user may have written anything there."""
    words: Row = {}
    for name in ("uuids", "exclude"):
        given = note.get(name)
        words[name] = [word for word in given if isinstance(word, str)] if isinstance(given, list) else []
    count = note.get("count", 1)
    return dict(words, mode=note.get("mode"), count=count if type(count) is int and count > 0 else 1)


class QueueTicket:
    """A place in the queue."""

    def __init__(self, job: str, spec: Row) -> None:
        self.folder = queue_folder()
        self.lease = Lease(job)
        self.want: Row = dict(spec.get("gpus") or {}, exclude=list(spec.get("exclude") or ()))
        self.skip = [[row["pid"], row.get("start", 0)] for row in spec.get("ignore") or ()]
        self.behind = ""
        """The ticket to sleep on after an attempt; empty when only polling helps."""
        self.looked = False
        """Whether the last attempt scanned the GPUs."""
        self._ticket: Optional[leases.Note] = None

    def enter(self) -> None:
        """Take a ticket; raises Refused."""
        ours = [ticket["number"] for ticket in tickets() if ticket["uid"] == os.getuid()]
        name = "ticket-%08d-%s" % (max(ours, default=0) + 1, self.lease.job)
        self._ticket = leases.Note(name, self.want)

    def leave(self) -> None:
        """Withdraw the ticket, which wakes the next in the queue."""
        if self._ticket is not None:
            self._ticket.withdraw()
            self._ticket = None

    def blocker(self, known: Sequence[Row]) -> Tuple[str, str, Set[str]]:
        """Return the one ticket that blocks us, if any, its owner, and all claims before ours.

        An earlier job has the first claim on every GPU that it could take; otherwise a job that needs many
        would wait forever. Jobs that need only other GPUs, or GPUs that this box lacks, may be passed.
        """
        fit, need = candidates(self.want, known)
        mine = {place["uuid"] for place in fit}
        claims: Set[str] = set()
        sleep_on = owner = ""
        if self._ticket is not None:
            self._ticket.rewrite()
        for ticket in tickets():
            if self._ticket and (ticket["uid"], ticket["name"]) == (os.getuid(), self._ticket.name):
                break
            want = _want(ticket)
            if missing(want, known):
                continue
            claim = {place["uuid"] for place in candidates(want, known)[0]}
            claims |= claim
            if len(mine - claim) < need:
                sleep_on = ticket["path"]
                owner = "" if ticket["uid"] == os.getuid() else leases.user_name(ticket["uid"])
        return sleep_on, owner, claims

    def attempt(self, watcher: signal_waits.SignalWatcher) -> str:
        """Lease the GPUs if they are free; else return in words what the job waits for.

        Raises Unanswered, and Refused when the request can never be satisfied.
        """
        known = places(self.folder, watcher, 60.0)
        words = missing(self.want, known)
        if words:
            raise Refused("GPUs not available", words)
        self.looked = False
        self.behind, owner, claims = self.blocker(known)
        if self.behind:  # the GPUs do not matter yet, and were not scanned
            words = _sentence(self.want, [{"uuid": one["uuid"], "index": one["index"]} for one in known])
            return words + (" after a job of %s" % owner if owner else "")
        fit, need = candidates(self.want, known)
        held = _leases()
        if sum(place["uuid"] not in claims and place["uuid"] not in held for place in fit) >= need:
            self.looked = True
            known = places(self.folder, watcher, FRESH, self.skip)
            fit = [place for place in candidates(self.want, known)[0] if place["uuid"] not in claims]
            free = [place for place in with_leases(fit) if place["free"]]
            if len(free) >= need and self.lease.take(free[:need]):
                return ""
        return _sentence(self.want, with_leases(known))

    def at_once(self, watcher: signal_waits.SignalWatcher) -> None:
        """Lease GPUs without waiting, shared ones if none is free; raises as `attempt`."""
        known = places(self.folder, watcher, FRESH, self.skip)
        words = missing(self.want, known)
        if words:
            raise Refused("GPUs not available", words)
        fit = self._best(known)
        while all(place["free"] for place in fit):  # another job may take one at this moment
            if self.lease.take(fit):
                return
            fit = self._best(known)
        self.lease.take(fit, shared=True)

    def _best(self, known: Sequence[Row]) -> List[Row]:
        """Return as many GPUs as are requested, free ones first."""
        fit, need = candidates(self.want, with_leases(known))
        fit.sort(key=lambda place: (not place["free"], bool(place["job"]), len(place["strangers"])))
        return fit[:need]


def held(path: str) -> bool:
    """Return whether the writer of a note still lives."""
    handle = _opened(path)
    if handle is None:
        return False
    try:
        return leases.locked(handle)
    finally:
        os.close(handle)


def sleep_on(path: str, watcher: signal_waits.SignalWatcher, *, flocked: bool = False) -> bool:
    """Sleep until the writer of a note, such as a ticket, is gone; return whether it was there.

    It sleeps for ASLEEP seconds at most. With `flocked` it also sleeps on a file or folder that is locked by
    `flock`, which needs only read access.
    """
    handle = _opened(path)
    if handle is None:
        return False
    try:
        if leases.locked(handle):
            watcher.during(lambda: leases.wait(handle), ASLEEP)
            return True
        if flocked:
            watcher.during(lambda: fcntl.flock(handle, fcntl.LOCK_SH), ASLEEP)
        return flocked
    finally:
        os.close(handle)


def _opened(path: str) -> Optional[int]:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
