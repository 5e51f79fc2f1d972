"""The queue for GPUs, without any daemon: tickets and leases are files that are locked while they count.

Each waiting job is a supervisor that sleeps on the lock of the ticket before it; when that one leaves, or is
killed, the kernel wakes it. GPUs are leased by locks too, so that no crash leaves one taken.

Folder: `gate` (one arrival or departure at a time), `seq`, `t00000001-ID` tickets, `gpu-UUID` leases,
`live-ID` (locked as long as a supervisor lives), `ignored` (processes that do not count), `places.json` (the
newest look at the GPUs).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import time

import records
import trees
import waking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Generator, List, Optional, Sequence, Set, Tuple

    Row = Dict[str, Any]

LOOK = 10.0
"""Seconds that a look at the GPUs may take: a sick driver never answers."""
FRESH = 2.0
"""Seconds for which a look counts."""
SILENT = 20.0
"""Seconds for which a driver that did not answer is left alone."""
NO_ANSWER = "The GPU driver does not answer"


class Unanswered(Exception):
    """The GPUs could not be asked, in words."""


def queue_folder() -> str:
    """Return the queue's folder, on no network disk, made private; raises Refused."""
    own = os.environ.get("GPUBOX_QUEUE_DIR", "")
    if own:
        return records.private(os.path.abspath(own))
    for place in ("/dev/shm", "/tmp"):
        if os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
            with contextlib.suppress(records.Refused):
                return records.private("%s/gpubox-%d" % (place, os.getuid()))
    return records.private(os.path.join(os.path.dirname(records.jobs_folder()), "queue"))


def lock(path: str, kind: int = fcntl.LOCK_EX | fcntl.LOCK_NB, *, make: bool = True) -> Optional[int]:
    """Return a handle with the lock of a file, or None when somebody has it, or there is no such file."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    try:
        handle = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, kind)
        return handle
    except BlockingIOError:
        os.close(handle)
        return None


def held(path: str) -> bool:
    """Return whether somebody has the lock of a file."""
    if not os.path.exists(path):
        return False
    handle = lock(path, fcntl.LOCK_SH | fcntl.LOCK_NB, make=False)
    if handle is None:
        return os.path.exists(path)
    os.close(handle)
    return False


@contextlib.contextmanager
def gate(folder: str) -> Generator[None, None, None]:
    """Hold the queue still."""
    handle = lock(os.path.join(folder, "gate"), fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def tickets(folder: str, *, sweep: bool = False) -> List[Tuple[str, Row]]:
    """Return the tickets of those who wait, first come first; `sweep`, behind the gate, forgets the dead."""
    found: List[Tuple[str, Row]] = []
    for name in sorted(name for name in os.listdir(folder) if re.fullmatch("t[0-9]{8,}-.+", name)):
        path = os.path.join(folder, name)
        if held(path):
            found.append((path, records.load(path) or {}))
        elif sweep:
            with contextlib.suppress(OSError):
                os.unlink(path)
    return found


def order() -> List[str]:
    """Return the ids of the jobs that wait for GPUs, first come first."""
    try:
        return [os.path.basename(path).partition("-")[2] for path, _ in tickets(queue_folder())]
    except (OSError, records.Refused):
        return []


def live_path(job: str) -> str:
    """Return the file that a job's supervisor keeps locked; empty when there is no queue."""
    try:
        return os.path.join(queue_folder(), "live-" + job)
    except records.Refused:
        return ""


def live(job: str) -> Optional[int]:
    """Lock a job's sign of life; the lock goes with the supervisor, and whoever waits for it wakes."""
    try:
        return lock(live_path(job))
    except OSError:
        return None


def ignored(folder: str) -> List[List[int]]:
    """Return the processes, as pid and start, that a person said do not count as using a GPU."""
    found = records.load(os.path.join(folder, "ignored")) or {}
    return [[int(pid), int(start)] for pid, start in found.get("processes", ())]


def ignore(pid: int, start: int) -> None:
    """Let a process no longer count as using a GPU; forgets those that ended."""
    folder = queue_folder()
    with gate(folder):
        kept = [row for row in ignored(folder) if trees.start_of(row[0]) == row[1] and row[0] != pid]
        records.store(os.path.join(folder, "ignored"), {"processes": [*kept, [pid, start]]})
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, "places.json"))


def _asked(skip: Sequence[Sequence[int]]) -> Row:
    """Ask for the GPUs and who is on them; this is where meter.py is called."""
    try:
        import meter
    except ImportError:
        return {"error": "The part of gpubox that asks for GPUs is not there"}
    try:
        return {"places": meter.places([], [list(row) for row in skip], trees.jobs_of_all())}
    except BaseException as error:  # whatever a driver does is told, never raised
        return {"error": str(error) or type(error).__name__}


_hung: List[int] = []
"""Children that asked a silent driver: they were killed, but one inside of it takes no signal for now."""


def _bury() -> None:
    """Take leave of those that ended: a job may wait for days, and ask a silent driver each 20 seconds."""
    for pid in list(_hung):
        try:
            over = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # somebody else did
            over = True
        if over:
            _hung.remove(pid)


def look(ears: Optional[waking.Ears], skip: Sequence[Sequence[int]] = (), limit: float = LOOK) -> List[Row]:
    """Return the GPUs and who is on them, fields as core.record.GpuPlace; asked by a child that may hang.

    Raises Unanswered in words.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            waking.fresh_child()
            waking.close_others(write)
            with open(write, "wb") as out:
                out.write(json.dumps(_asked(skip)).encode())
        finally:
            os._exit(0)
    os.close(write)
    try:
        data = waking.collect(read, ears, limit)
    finally:
        os.close(read)
        trees.send(pid, signal.SIGKILL)
    _bury()
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
    ears: Optional[waking.Ears],
    age: float,
    skip: Sequence[Sequence[int]] = (),
    limit: float = LOOK,
) -> List[Row]:
    """Return the newest look at the GPUs, taken anew when it is older than `age`; raises Unanswered.

    What failed is tried again soon, and a driver that was silent later: those who look wait for it.
    """
    path = os.path.join(folder, "places.json")
    kept: Row = {} if skip else records.load(path) or {}
    if "error" in kept:
        age = SILENT if kept["error"] == NO_ANSWER else min(age, FRESH)
    if not -1 < time.time() - kept.get("at", 0.0) < age:
        kept = {"at": time.time()}
        try:
            kept["places"] = look(ears, [*skip, *ignored(folder)], limit)
        except Unanswered as error:
            kept["error"] = str(error)
        if not skip and not (ears and ears.asked):
            records.store(path, kept)
    if "error" in kept:
        raise Unanswered(kept["error"])
    return kept["places"]


def names(place: Row, words: Sequence[str]) -> bool:
    """Return whether a GPU is named among these UUIDs, beginnings of UUIDs, or indices."""
    uuid = str(place["uuid"])
    return any(
        word and (word == str(place["index"]) or (len(word) > 3 and uuid.startswith(word))) for word in words
    )


def wanted(want: Row, known: Sequence[Row]) -> Tuple[List[Row], int]:
    """Return the GPUs that somebody could take, and how many of them."""
    allowed = [place for place in known if not names(place, want.get("exclude") or ())]
    if want.get("mode") == "chosen":
        chosen = want.get("uuids") or ()
        return [place for place in allowed if names(place, chosen)], len(chosen)
    return allowed, int(want.get("count", 1))


def missing(want: Row, known: Sequence[Row]) -> str:
    """Return in words why these GPUs can never be had; empty when they can."""
    fit, need = wanted(want, known)
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
    words = "It wants %d GPU%s, and the box has %s" % (need, "" if need == 1 else "s", has)
    return words + (", %d of them excluded" % out if out else "")


def lease_path(folder: str, uuid: str) -> str:
    """Return the file whose lock is the lease of a GPU."""
    return os.path.join(folder, "gpu-" + re.sub("[^A-Za-z0-9_.-]", "_", uuid))


def holder(folder: str, uuid: str) -> str:
    """Return the job that has a GPU; empty when none has."""
    path = lease_path(folder, uuid)
    if not held(path):
        return ""
    return str((records.load(path) or {}).get("job", "?"))


def with_leases(folder: str, known: Sequence[Row]) -> List[Row]:
    """Return GPUs as the queue sees them: who has them by lease, and whether they are free."""
    shown: List[Row] = []
    for place in known:
        job = holder(folder, place["uuid"]) or place.get("job", "")
        shown.append(dict(place, job=job, free=not job and not place.get("strangers")))
    return shown


class Lease:
    """GPUs that a job holds, and its sign of life."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.places: List[Row] = []
        self._locks: Dict[str, int] = {}

    @property
    def uuids(self) -> List[str]:
        """The GPUs of the job, also those it has to share."""
        return [place["uuid"] for place in self.places]

    def take(self, folder: str, chosen: Sequence[Row], *, all_or_none: bool = True) -> bool:
        """Lease GPUs; says whether all could be leased, else with `all_or_none` none is."""
        got: Dict[str, int] = {}
        for place in chosen:
            path = lease_path(folder, place["uuid"])
            handle = lock(path)
            if handle is not None:
                os.ftruncate(handle, 0)
                os.write(handle, json.dumps({"job": self.job, "pid": os.getpid()}).encode())
                got[path] = handle
        if all_or_none and len(got) < len(chosen):
            for handle in got.values():
                os.close(handle)
            return False
        self._locks.update(got)
        self.places = list(chosen)
        return len(got) == len(chosen)

    def mend(self) -> None:
        """Lease again what lost its file: a logout may tidy /dev/shm under the feet of a running job."""
        for path, handle in list(self._locks.items()):
            with contextlib.suppress(OSError, records.Refused):
                if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(handle)):
                    continue
                records.private(os.path.dirname(path))
                fresh = lock(path)
                if fresh is not None:
                    os.write(fresh, json.dumps({"job": self.job, "pid": os.getpid()}).encode())
                    os.close(handle)
                    self._locks[path] = fresh


def _sentence(want: Row, known: Sequence[Row]) -> str:
    """Return in words what somebody waits for, given GPUs of `with_leases`."""
    fit, need = wanted(want, known)
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


class Turn:
    """A place in the queue."""

    def __init__(self, job: str, wish: Row) -> None:
        self.folder = queue_folder()
        self.lease = Lease(job)
        self.want: Row = dict(wish.get("gpus") or {}, exclude=list(wish.get("exclude") or ()), job=job)
        self.skip = [[row["pid"], row.get("start", 0)] for row in wish.get("ignore") or ()]
        self.behind = ""
        """The ticket to sleep on after an attempt; empty where only a look from time to time helps."""
        self.looked = False
        """Whether the last attempt asked the driver."""
        self._ticket = ""
        self._handle = -1

    def enter(self) -> None:
        """Draw a ticket."""
        with gate(self.folder):
            counter = os.path.join(self.folder, "seq")
            number = int(trees.read(counter) or b"0") + 1
            with open(counter + ".new", "w") as file:
                file.write(str(number))
            os.rename(counter + ".new", counter)
            self._ticket = os.path.join(self.folder, "t%08d-%s" % (number, self.want["job"]))
            handle = lock(self._ticket)
            assert handle is not None, "nobody else draws this number"
            os.write(handle, json.dumps(self.want).encode())
            self._handle = handle

    def leave(self) -> None:
        """Give the ticket back; the next in the queue wakes."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._ticket)
            os.close(self._handle)
            self._handle = -1

    def blocker(self, known: Sequence[Row]) -> Tuple[str, Set[str]]:
        """Return the ticket to sleep on, if one before us alone keeps us waiting, and all claims before us.

        Who came earlier has the first claim on every GPU it could take: else a job that wants many would
        wait for ever. Who wants others only may pass.
        """
        fit, need = wanted(self.want, known)
        mine = {place["uuid"] for place in fit}
        claims: Set[str] = set()
        sleep_on = ""
        with gate(self.folder):
            for path, want in tickets(self.folder, sweep=True):
                if path == self._ticket:
                    break
                claim = {place["uuid"] for place in wanted(want, known)[0]}
                claims |= claim
                if len(mine - claim) < need:
                    sleep_on = path
        return sleep_on, claims

    def attempt(self, ears: waking.Ears) -> str:
        """Take the GPUs if they can be had now; else returns in words what is waited for.

        Raises Unanswered, and Refused when they can never be had.
        """
        known = places(self.folder, ears, 60.0)
        words = missing(self.want, known)
        if words:
            raise records.Refused("The GPUs are not there", words)
        self.looked = False
        self.behind, claims = self.blocker(known)
        if self.behind:  # who is on the GPUs now does not matter yet, and was not asked
            return _sentence(self.want, [{"uuid": one["uuid"], "index": one["index"]} for one in known])
        fit, need = wanted(self.want, known)
        fit = [place for place in fit if place["uuid"] not in claims]
        if sum(not holder(self.folder, place["uuid"]) for place in fit) >= need:
            self.looked = True
            known = places(self.folder, ears, FRESH, self.skip)
            fit = [place for place in wanted(self.want, known)[0] if place["uuid"] not in claims]
            free = [place for place in with_leases(self.folder, fit) if place["free"]]
            with gate(self.folder):
                if len(free) >= need and self.lease.take(self.folder, free[:need]):
                    return ""
        return _sentence(self.want, with_leases(self.folder, known))

    def at_once(self, ears: waking.Ears) -> None:
        """Take GPUs without waiting, shared ones if none is free; raises as `attempt`."""
        known = places(self.folder, ears, FRESH, self.skip)
        words = missing(self.want, known)
        if words:
            raise records.Refused("The GPUs are not there", words)
        fit, need = wanted(self.want, with_leases(self.folder, known))
        fit.sort(key=lambda place: (bool(place["job"]), len(place.get("strangers") or ())))
        with gate(self.folder):
            self.lease.take(self.folder, fit[:need], all_or_none=False)


def sleep_on(path: str, ears: waking.Ears, seconds: float = 60.0) -> None:
    """Sleep until nobody holds the lock of a file, such as a ticket or a sign of life."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        ears.lock(handle, seconds)
    finally:
        os.close(handle)
