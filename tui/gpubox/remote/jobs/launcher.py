"""Starts a supervisor that outlives the login, exactly one per job, even for repeated requests."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import select
import signal
import time

from gpubox.remote import process_tree, signal_waits, users
from gpubox.remote.jobs import env_locks, gpu_queue, records
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Row = Dict[str, Any]

BEGIN = 10.0
"""Seconds for a supervisor to write its first record."""
READY = b"."
"""Sent by a supervisor once its record exists; anything else is the reason why it does not."""
PATIENCE = 0.5
"""Seconds for which a launch waits for the command itself, once its record exists."""
FILES = 8 << 20
"""Most bytes of small programs that are sent with a job."""


def _wrong(text: str) -> Refused:
    return Refused("Not a job", text)


def _words(value: object, what: str) -> List[str]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(word, str) and "\0" not in word for word in value
    ):
        raise _wrong("%s is not a list of words" % what)
    return list(value)


def _table(value: object, what: str) -> Dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong("%s is not a table of words" % what)
    _words([*value, *value.values()], what)
    return dict(value)


def checked(spec: object) -> Row:
    """Return a validated spec; raises Refused. Unknown fields stay in it."""
    if not isinstance(spec, dict):
        raise _wrong("There is no job spec")
    if not isinstance(spec.get("id"), str) or not records.ID.fullmatch(spec["id"]):
        raise _wrong("%s is not an id of the form YYYYMMDD-HHMMSS-xxxx" % ascii(spec.get("id"))[:80])
    if not _words(spec.get("argv"), "The command") or not spec["argv"][0]:
        raise _wrong("The command is empty")
    for name in ("cwd", "name", "prefix", "kind", "after", "unread"):
        _words([spec.get(name) or ""], name)
    if spec.get("after") and not records.ID.fullmatch(spec["after"]):
        raise _wrong("%s is not an id of a job to wait for" % ascii(spec["after"])[:80])
    for name in _table(spec.get("environment") or {}, "The environment"):
        if not name or "=" in name:
            raise _wrong("%s cannot be the name of a variable" % ascii(name)[:80])
    for name in ("hidden", "exclude", "results", "changes"):
        _words(spec.get(name) or [], name)
    files = _table(spec.get("files") or {}, "The files")
    if sum(map(len, files.values())) > FILES:
        raise _wrong("The files that are sent along are larger than %d MiB" % (FILES >> 20))
    for name in files:
        if "/" in name or name in ("", ".", ".."):
            raise _wrong("%s is not a plain file name" % ascii(name)[:80])
    # Fields missing in the request for GPUs have their defaults, one GPU; without a request there are none.
    gpus: Any = spec.get("gpus")
    if gpus is None:
        gpus = {"mode": "none"}
    if not isinstance(gpus, dict) or gpus.get("mode", "count") not in ("count", "chosen", "none", "any"):
        raise _wrong("The request for GPUs is not understood")
    _words(gpus.get("uuids") or [], "The request for GPUs")
    count = gpus.get("count", 1)
    if not isinstance(count, int) or not 0 < count < 10000:
        raise _wrong("The number of GPUs is not understood")
    for name in _table(spec.get("base") or {}, "The environment of a login"):
        if not name or "=" in name:
            raise _wrong("%s cannot be the name of a variable" % ascii(name)[:80])
    limit, grace = spec.get("limit"), spec.get("grace", 10.0)
    if not (limit is None or isinstance(limit, (int, float))) or not isinstance(grace, (int, float)):
        raise _wrong("A time is not a number")
    return dict(spec, gpus=dict(gpus, mode=gpus.get("mode", "count"), count=count))


def prepare_folder(job: str) -> str:
    """Return the record folder of a job, created if needed; raises Refused."""
    folder = os.path.join(records.jobs_folder(), job)
    with contextlib.suppress(FileExistsError):
        _noting(folder, lambda: os.mkdir(folder, 0o700))
    found = os.lstat(folder)
    if found.st_uid != os.getuid() or os.path.islink(folder):
        raise Refused("The record is not yours", "%s belongs to somebody else" % folder)
    return folder


def _noting(folder: str, action: Callable[[], None]) -> None:
    try:
        action()
    except FileExistsError:
        raise
    except OSError as error:
        raise _unnoted(folder, error.strerror or str(error)) from None


def _unnoted(folder: str, why: str) -> Refused:
    return Refused("The job could not be noted", "%s: %s" % (folder, why), _room(folder))


def _room(folder: str) -> str:
    return "Make room there: `df %s`" % folder


def prepare(folder: str, spec: Row) -> None:
    """Write a spec and the files that are sent with it into its record folder; raises Refused."""

    def write() -> None:
        for name, text in (spec.get("files") or {}).items():
            path = os.path.join(records.private(os.path.join(folder, "files")), name)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(handle, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
        if not records.store(os.path.join(folder, "spec.json"), records.publishable(spec)):
            raise OSError(errno.ENOSPC, "The disk does not take the record")

    _noting(folder, write)


def launch(spec: object) -> Row:
    """Start or queue a job and return its record; raises Refused.

    A repeated request starts nothing more: the launch that holds the lock of the record folder and finds no
    status starts the job, even after an interrupted launch.
    """
    job = checked(spec)
    umask = os.umask(0o077)
    folder = prepare_folder(job["id"])
    handle: Optional[int] = None
    try:
        handle = _locked(folder)
        if not os.path.exists(os.path.join(folder, "status.json")):
            env_locks.refuse(job)
            prepare(folder, job)
            _begin(folder, job, umask, handle)
    except Refused:
        _forget(folder)
        raise
    except env_locks.Unusable as error:
        _forget(folder)
        raise Refused("The environment is in use", str(error), "Stop that job, or wait for its end") from None
    finally:
        if handle is not None:
            os.close(handle)
    record = records.current(folder)
    if record is None:
        raise Refused("The job did not start", "There is no record in %s" % folder)
    return record


def _locked(folder: str) -> Optional[int]:
    """Wait for the lock of a record folder and return its handle; raises Refused without one."""
    try:
        return gpu_queue.lock(os.path.join(folder, "lock"), fcntl.LOCK_EX)
    except OSError as error:
        raise _unnoted(folder, error.strerror or str(error)) from None


def _forget(folder: str) -> None:
    """Remove a record whose job never started, or the list would show it forever."""
    if not os.path.exists(os.path.join(folder, "status.json")):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: str, job: Row, umask: int, lock: Optional[int]) -> None:
    """Start the supervisor and wait for its first record."""
    units = None
    if os.path.isdir("/run/systemd/system") or "GPUBOX_ROOT" in os.environ:
        from gpubox.remote.jobs import systemd as units
    name = users.current()
    if job.get("unread"):
        _warn(job, job["unread"])
    if units is not None and units.ends_at_logout(name) and not units.needs_unit(name):
        _warn(job, units.WARNING)
    if units is not None and units.needs_unit(name):
        try:
            with units.start(folder, job, umask) as line:
                _hear(folder, line.fileno())
            return
        except OSError as error:
            if os.path.exists(os.path.join(folder, "status.json")):
                return
            _warn(job, "%s (%s)" % (units.WARNING, error))
    read, write = os.pipe()
    try:
        _fork(folder, job, umask, lock, write)
        os.close(write)
        _hear(folder, read)
    finally:
        os.close(read)


def _warn(job: Row, words: str) -> None:
    job["warning"] = ". ".join(filter(None, (job.get("warning"), words)))


def _fork(folder: str, job: Row, umask: int, lock: Optional[int], write: int) -> None:
    """Start the supervisor by two forks; until its first record it shares our lock."""
    pid = os.fork()
    if pid == 0:
        held = [] if lock is None else [lock]
        try:
            _detach(folder, write, *held)
            supervise(folder, job, umask, lambda: _notify(write, held))
        except OSError as error:  # the only report when supervisor.log cannot be written
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            words = "The disk is full" if full else error.strerror or str(error)
            _notify(write, held, ("%s: %s" % (error.filename or folder, words)).encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _hear(folder: str, line: int) -> None:
    """Wait for the first record, and a moment for the command; raises Refused when no record arrives."""
    if not select.select([line], [], [], BEGIN)[0]:
        return  # it is slow, and may still arrive
    first = os.read(line, 4096)
    if not first.startswith(READY):
        from gpubox.remote.jobs import exit_reason

        full = first.decode("utf-8", "replace") or exit_reason.full_disk(folder).replace(" when it ended", "")
        if full:
            raise Refused("The job could not be noted", full, _room(folder))
        said = exit_reason.last_line(os.path.join(folder, "supervisor.log"))
        raise Refused("The job did not start", said or "Its supervisor did not come up")
    # The command itself, or the report that it waits, follows within milliseconds, unless its environment or
    # the driver takes time.
    select.select([line], [], [], PATIENCE)


def _detach(folder: str, *keep: int) -> None:
    """Leave the login: a session of our own, no terminal, no pipe of sshd, and init for a parent."""
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(os.path.join(folder, "supervisor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal_waits.close_others(*keep)


def _notify(write: int, held: List[int], words: bytes = READY) -> None:
    while held:  # the record exists: a repeated launch finds it
        os.close(held.pop())
    with contextlib.suppress(OSError):
        os.write(write, words)  # the launch may be gone


def supervise(folder: str, job: Row, umask: int, notify: Callable[[], None]) -> None:
    """Run the supervisor in this process to its end."""
    from gpubox.remote.jobs import supervisor

    try:
        supervisor.Supervisor(folder, job, umask, notify).run()
    except BaseException:
        import traceback

        traceback.print_exc()  # into supervisor.log
        raise


def stop(job: object, by: object) -> Row:
    """Request the stop of a job with all its processes; return its record a moment later."""
    folder = records.folder_of(job)
    record = records.current(folder) or {}
    if record.get("state") not in records.ACTIVE:
        return record
    name = by if isinstance(by, str) and by else users.current()
    records.store(os.path.join(folder, "stop.json"), {"by": name, "at": time.time()})
    if record.get("orphaned"):
        _end_orphan(folder, record, name)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        if process_tree.alive(record.get("supervisor")):
            process_tree.send(record["supervisor"]["pid"], signal.SIGTERM)
        select.select([], [], [], 0.03)
        record = records.current(folder) or record
        if record.get("state") in ("stopping", "ended"):
            break
    return record


def prepared(spec: object) -> Row:
    """Write a job's record for a queue to run later by `payload`, and return it; raises Refused."""
    job = checked(spec)
    os.umask(0o077)
    folder = prepare_folder(job["id"])
    if not os.path.exists(os.path.join(folder, "status.json")):
        if job.get("unread"):
            _warn(job, job["unread"])
        prepare(folder, job)
        shown = dict(records.publishable(job), files={})
        record = {"v": 1, "id": job["id"], "state": "queued", "spec": shown, "submitted": time.time()}
        record["warning"] = job.get("warning", "")
        record["serial"] = records.serial(folder)
        if not records.save(folder, record):
            raise Refused("The job could not be noted", "The disk does not take its record: %s" % folder)
    return records.current(folder) or {}


def payload(job: str, variable: str, canceler: str) -> int:
    """Run a prepared job for a queue, in the foreground, and end as it ended, signals included.

    The environment variable has the queue's id of this job; `canceler` is the command that cancels jobs.
    """
    folder = records.folder_of(job, anywhere=True)
    spec = records.load(os.path.join(folder, "spec.json"))
    if spec is None:
        raise Refused("The job cannot be run", "There is no spec.json in %s" % folder)
    umask = os.umask(0o077)
    # Hidden variables are not in the record; the queue passes on those that it got.
    number = os.environ.get(variable, "") or "0"
    from gpubox.remote.jobs import supervisor

    status = supervisor.Supervisor(folder, spec, umask, lambda: None, (number, canceler)).run()
    if status < 0:
        return 127 if (records.current(folder) or {}).get("ending", {}).get("how") == "exec" else 125
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal_waits.fresh_child()
        os.kill(os.getpid(), os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


def _end_orphan(folder: str, record: Row, by: str) -> None:
    """Stop a job whose supervisor was killed, from a separate process: TERM, the grace, KILL.

    Processes that hang in a driver are abandoned after a while, as by the supervisor.
    """
    if os.fork() != 0:
        return
    try:
        _detach(folder)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a repeated stop now sends it to us
        status = os.path.join(folder, "status.json")
        current = records.load(status) or record
        # We replace its supervisor, so that the job does not count as lost before we are done.
        records.save(folder, dict(current, state="stopping", supervisor=process_tree.identity(os.getpid())))
        press = process_tree.Terminator()
        kill = time.monotonic() + float((record.get("spec") or {}).get("grace", 10.0))
        left = _left(record)
        while left and time.monotonic() < kill + process_tree.STUBBORN:
            if time.monotonic() < kill:
                press.ask(left)
            else:
                press.kill(left)
            time.sleep(0.1)
            left = _left(record)
        words = "Its supervisor had been killed before; with what status the command ended is not known"
        ending = {"how": "stopped", "by": by, "words": words, "leftovers": sorted(left)}
        records.save(folder, dict(current, state="ended", ended=time.time(), ending=ending), last=True)
    except BaseException:
        import traceback

        traceback.print_exc()  # into supervisor.log
    finally:
        os._exit(0)


def _left(record: Row) -> Dict[int, List[bytes]]:
    """Return the living processes of a job without a supervisor."""
    left = process_tree.of_job(record["id"])
    main = record.get("main")
    if main and process_tree.alive(main):
        left[main["pid"]] = process_tree.stat(main["pid"])
    left.pop(os.getpid(), None)
    return {pid: fields for pid, fields in left.items() if len(fields) > 21}
