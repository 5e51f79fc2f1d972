"""Runs one job on the box, from the queue to the last line of its record.

It is a separate process, detached from any login (see launcher.py): a child subreaper, so that no descendant
of the job gets lost. It never calls a GPU driver itself: a sick one never answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from gpubox.remote import bundle, inherited, process_tree, signal_waits, users
from gpubox.remote.jobs import env_locks, exit_reason, gpu_queue, records, sidecars
from gpubox.remote.jobs.runner import Command, NotStarted, keep_orphans
from gpubox.remote.json_io import Refused
from gpubox.remote.kernel_files import cpu_model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence

    Row = Dict[str, Any]

RESULTS = 5.0
"""Seconds for the search of results."""
MOST_RESULTS = 200
"""Most results in a record."""


class _Late(Exception):
    """The search of results takes too long."""


def results(patterns: Sequence[str], cwd: str) -> List[str]:
    """Return the files that match the patterns, absolute; at most MOST_RESULTS, within RESULTS seconds.

    An alarm ends the search: a pattern without a match walks every folder before glob returns.
    """
    import glob  # imported here, to save memory in jobs that wait in the queue

    def late(*_: object) -> None:
        raise _Late

    found: Dict[str, None] = {}
    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, RESULTS)
        for pattern in patterns if cwd else ():
            full = os.path.join(glob.escape(cwd), os.path.expanduser(pattern))
            for path in glob.iglob(full, recursive=True):
                if len(found) >= MOST_RESULTS:
                    raise _Late
                if os.path.isfile(path):
                    found[path] = None
    except _Late:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return list(found)


class Supervisor:
    """The life of one job."""

    def __init__(
        self, folder: str, spec: Row, umask: int, notify: Callable[[], None], batch: Sequence[str] = ("", "")
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.warning = str(spec.pop("warning", ""))
        """A risk for the job on this box, in words."""
        self.base: Row = spec.pop("base", None) or {}
        """The login environment for the command; empty takes that of this process."""
        self.without = not spec.get("login", True) or bool(spec.get("unread"))
        """Whether a login may find more programs than the job."""
        self.umask = umask
        self.notify = notify
        """Called when the launch may be answered, and again when the command runs or waits."""
        self.queue_id, self.canceler = batch
        """Our id in the queue that runs us, which then chooses when and on which GPUs; what cancels us."""
        self.watcher = signal_waits.SignalWatcher()
        self.lease = gpu_queue.Lease(spec["id"])
        self.hold = env_locks.Hold(spec)
        self.record: Row = {"v": 1, "id": spec["id"], "state": "starting", "queue_id": self.queue_id}
        self.record["spec"] = dict(records.publishable(spec), files={})
        self.mode = str((spec.get("gpus") or {}).get("mode", "none"))

    def path(self, name: str) -> str:
        """Return the path of a file of the record."""
        return os.path.join(self.folder, name)

    def save(self, *, last: bool = False, **fields: object) -> bool:
        """Write the record with some fields changed."""
        self.record.update(fields)
        return records.save(self.folder, self.record, last=last)

    def run(self) -> int:
        """Run the job and return its raw wait status; -1 when its command never started."""
        self.begin()
        live = gpu_queue.live(self.spec["id"])
        command = Command(self.folder, self.spec, self.watcher, self.save, canceler=self.canceler)
        try:
            self.check_asked()
            self.wait_for_job()
            self.wait_for_gpus()
            self.wait_for_environments()
            environment = self.environment()
            command.start(environment, self.umask, self.lease)
            self.notify()
            ending = command.attend(self.lease)
        except NotStarted as over:
            ending = over.ending
        except Exception as error:
            import traceback

            traceback.print_exc()  # into supervisor.log
            command.abandon()
            ending = {"how": "lost", "words": "The supervisor failed: %s" % error}
        self.finish(ending, command)
        self.lease.release()
        if live is not None:
            live.withdraw()
        self.explain()
        return command.status

    def explain(self) -> None:
        """Record where a login finds a program that the job did not find; the launch no longer waits."""
        if not self.record.pop("explaining", False):
            return
        from gpubox.remote import login  # here, to save memory in jobs that wait

        why = login.hint(
            self.spec["argv"], process_tree.tail(self.path("log"), 4096).decode("utf-8", "replace")
        )
        if why:
            self.record["ending"]["why"] = why
        self.save(last=True)

    def finish(self, ending: Row, command: Command) -> None:
        """Write the last record; on a full disk, retries for ten minutes."""
        gpus = command.beside.end(command.reap) or self.record.get("gpus") or []
        fields: Row = {
            "state": "ended",
            "ended": command.ended or time.time(),
            "ending": ending,
            "usage": command.usage,
            "gpus": gpus,
            "results": results(self.spec.get("results") or (), self.record.get("cwd", "")),
            "spark": records.spark(self.folder),
            "waits": "",
        }
        self.record.pop("ahead", None)
        if self.without and exit_reason.not_found(ending):
            fields["explaining"] = True
        if not self.save(last=True, **fields):
            end = time.monotonic() + 600
            while not self.save(last=True) and time.monotonic() < end:
                time.sleep(1)
        with contextlib.suppress(OSError):
            os.unlink(self.path("reserve"))
        self.notify()

    def begin(self) -> None:
        """Write the first record."""
        with contextlib.suppress(OSError), open(self.path("reserve"), "wb") as file:
            file.write(b"\0" * records.RESERVE)
        before = records.load(self.path("status.json")) or {}
        waits = self.spec.get("after") or self.queues()
        noted = self.save(
            state="queued" if waits else "starting",
            submitted=before.get("submitted") or time.time(),
            serial=before.get("serial") or records.serial(self.folder),
            supervisor=process_tree.identity(os.getpid()),
            host=os.uname().nodename,
            user=users.current(),
            warning=self.warning,
            cpu_model=cpu_model() or os.uname().machine,
        )
        refusal = None if noted else records.refusal(self.folder, self.record)
        if refusal is not None:
            raise refusal
        self.notify()

    def queues(self) -> bool:
        """Return whether the job takes a place in the queue."""
        return self.mode in ("count", "chosen") and not self.spec.get("now") and not self.queue_id

    def check_asked(self) -> None:
        """Raise Over when a stop was requested before the command started."""
        if self.watcher.asked or os.path.exists(self.path("stop.json")):
            by, why = exit_reason.stopped_by(self.folder, self.canceler)
            raise NotStarted("stopped", "It was stopped before its command began", by=by, why=why)

    def waits(self, words: str) -> None:
        """Record what the job waits for, if that changed; touches the program's folder."""
        bundle.touch()
        self.check_asked()
        if self.record.get("waits") != words:
            self.save(state="queued", waits=words)
            self.notify()

    def wait_for_job(self) -> None:
        """Sleep until the job that must end first has ended; raises Over when it did not succeed."""
        other = self.spec.get("after")
        while other:
            try:
                found = records.current(records.folder_of(other), figures=False)
            except Refused as refused:
                raise NotStarted("after", refused.text) from None
            if found is None:
                raise NotStarted("after", "The record of %s cannot be read" % other)
            if found["state"] == "ended":
                words = exit_reason.refusal(found)
                if words and not self.spec.get("after_any"):
                    raise NotStarted("after", words)
                return
            self.waits("job %s to end" % (found["spec"].get("name") or other))
            if not gpu_queue.sleep_on(gpu_queue.live_path(other), self.watcher):
                self.watcher.wait(1.0)
            self.check_asked()

    def wait_for_environments(self) -> None:
        """Wait until no other job changes the environments of this one; raises Over if that is impossible."""
        try:
            while True:
                words, sign = self.hold.attempt(self.record["submitted"])
                if not words:
                    return
                self.waits(words)
                if not sign or not gpu_queue.sleep_on(sign, self.watcher, flocked=True):
                    self.watcher.wait(1.0)
                self.check_asked()
        except (env_locks.Unusable, Refused) as error:
            raise NotStarted("env", str(error)) from None

    def wait_for_gpus(self) -> None:
        """Wait in the queue for the GPUs; raises Over when the request can never be satisfied."""
        if self.mode not in ("count", "chosen") or self.queue_id:
            return
        turn = gpu_queue.QueueTicket(self.spec["id"], self.spec)
        self.lease = turn.lease
        try:
            if self.spec.get("now"):
                turn.at_once(self.watcher)
                return
            turn.enter()
            self.queue(turn)
        except gpu_queue.Unanswered as error:
            self.check_asked()
            raise NotStarted("gpus", str(error)) from None
        except Refused as refused:
            raise NotStarted("gpus", refused.text) from None
        finally:
            turn.leave()

    def queue(self, turn: gpu_queue.QueueTicket) -> None:
        """Stay in the queue until it is our turn; a silent driver is asked again and again."""
        pause, silent = 0.5, 0
        while True:
            try:
                words = turn.attempt(self.watcher)
                silent = 0
            except gpu_queue.Unanswered as error:
                silent += 1
                if silent >= 3 and str(error) != gpu_queue.NO_ANSWER:
                    raise
                words = str(error)
            if not words:
                return
            self.waits(words)
            if turn.behind and not silent and gpu_queue.sleep_on(turn.behind, self.watcher):
                pause = 0.2
            else:
                # To look at leases costs nothing; to ask the driver who else is there does. Two that try for
                # one GPU at the same time withdraw both, and are not to come back at the same time again.
                part = 0.7 + 0.3 * os.urandom(1)[0] / 255
                self.watcher.wait(part * (pause if turn.looked else 0.3))
                pause = min(3.0, pause * 1.5)
            self.check_asked()

    def environment(self) -> Dict[str, str]:
        """Return the variables of the command; raises Over when its environment cannot be activated."""
        if self.record["state"] != "starting" or self.spec.get("prefix"):
            words = "its environment to be activated" if self.spec.get("prefix") else ""
            self.save(state="starting", waits=words)
        spec = self.spec
        own = self.base or inherited.variables()
        base = {name: value for name, value in own.items() if name not in inherited.LINK}
        base["GPUBOX_JOB"] = spec["id"]
        if spec.get("prefix"):
            begun = time.monotonic()
            keep_orphans()
            try:
                base = sidecars.activated(self.folder, spec, self.watcher, base)
            except sidecars.Inactive as error:
                self.check_asked()
                raise NotStarted("env", str(error)) from None
            self.record["activation"] = round(time.monotonic() - begun, 4)
        base.update(PYTHONUNBUFFERED="1", GPUBOX_JOB=spec["id"])
        base.update((name, self.filled(value)) for name, value in (spec.get("environment") or {}).items())
        if not self.queue_id:
            if self.lease.places:
                base.update(CUDA_VISIBLE_DEVICES=",".join(self.lease.uuids), CUDA_DEVICE_ORDER="PCI_BUS_ID")
            elif self.mode == "none":
                base["CUDA_VISIBLE_DEVICES"] = ""
        return base

    def filled(self, text: str) -> str:
        """Return text with the record's folders put in."""
        return text.replace("{files}", self.path("files")).replace("{folder}", self.folder)
