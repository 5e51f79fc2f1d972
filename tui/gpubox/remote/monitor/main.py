"""The service: samples the box day and night, judges the samples, and hands frames to its outlets.

Runs ON the box as its user, under Python 3.8 or newer with only the standard library and pynvml. Nobody needs
to be logged in. SIGTERM ends it, SIGHUP lets it read its configuration again.
Exit codes: 0 ended, or another one runs already; 1 it has no folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from gpubox.common.alerts.alert import Alert
from gpubox.common.alerts.tracker import AlertTracker
from gpubox.common.refusal import Refused
from gpubox.common.severity import Severity
from gpubox.remote import process_tree, signal_waits
from gpubox.remote.jobs import gpu_queue, records
from gpubox.remote.json_io import error_line
from gpubox.remote.kernel_files import read_text
from gpubox.remote.monitor import config, folder
from gpubox.remote.monitor.clock import boot_clock
from gpubox.remote.monitor.config import ServiceConfig
from gpubox.remote.monitor.frame import frame
from gpubox.remote.monitor.job_counts import JobCounts
from gpubox.remote.monitor.outlets import Outlets
from gpubox.remote.monitor.service_log import ServiceLog
from gpubox.remote.probe.sampler import SECOND, BoxSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

TOP = 5
"""How many of the host's busiest processes are in a frame."""
WAKING = 15.0
"""Seconds for the driver's first answer before the first frame: without persistence it wakes the GPUs."""
ALWAYS: Dict[str, Row] = {"history": {}}
"""Outlets that no configuration has to name."""
TEST = (
    "test", "host", Severity.CRITICAL, "test", "Somebody asked for a test message; nothing is wrong", ""
)  # fmt: skip
"""The alert of a test message, up to its time."""
PATIENCE = 1.0
"""Seconds after which the lock of the service is held by another one, and not by a request that tests it."""
IDENTITY = 512
"""Bytes of the identity of a process, filled up with spaces."""
BOOTING = 120.0
"""Seconds after boot in which GPUs may not be there yet, because the driver is still being loaded."""


class MonitorService:
    """The service: one loop; outlets send in threads of their own."""

    def __init__(self) -> None:
        self.log = ServiceLog(folder.path(folder.LOG))
        self.watcher = signal_waits.SignalWatcher()
        self.reload = False
        signal.signal(signal.SIGHUP, self._hang_up)
        self.config = ServiceConfig()
        self.trouble = ""
        """Why the configuration is not used."""
        self.read_config()
        os.environ.update(self.config.environment)
        self.sampler = BoxSampler(self.config.interval, TOP, commands=False)
        self.tracker = AlertTracker(self.config.limits)
        self.tracker.restore(records.load(folder.path(folder.ALERTS)) or {})
        self.jobs = JobCounts()
        self.outlets = Outlets(folder.private(folder.path(folder.SPOOL)), self.log)
        self.started = time.time()
        self.identity = process_tree.identity(os.getpid())

    def _hang_up(self, _number: int, _frame: object) -> None:
        self.reload = True

    def read_config(self) -> None:
        """Read the configuration; one that cannot be used changes nothing."""
        try:
            self.config = config.read(folder.path(folder.CONFIG))
            self.trouble = ""
        except config.ConfigFault as error:
            self.trouble = str(error)
        self.log.changed("configuration", self.trouble)

    def configure(self) -> None:
        """Apply the configuration to what runs."""
        self.sampler.interval = self.config.interval
        self.tracker.limits = self.config.limits
        self.outlets.configure({**ALWAYS, **self.config.outlets})

    def run(self) -> None:
        """Sample until SIGTERM."""
        self.log.write("started, process %d, version %s" % (os.getpid(), folder.version() or "unknown"))
        self.configure()
        self.wake()
        begin = time.monotonic()
        while not self.watcher.asked:
            self.step()
            now, interval = time.monotonic(), self.config.interval
            # A host that was suspended, or a sample that took long, is no reason to hurry after.
            begin = begin + interval if begin <= now < begin + interval else now + interval
            self.sleep(begin)
        self.outlets.close()
        self.log.write("ended by a signal")

    def wake(self) -> None:
        """Take readings until the driver has answered and rates can be computed; they are no frames."""
        end = time.monotonic() + WAKING
        while not self.watcher.asked:
            sample = self.sampler.sample()
            self.watcher.until(lambda: self.sampler.gpus.since is None or self.watcher.asked, 1.0)
            now = time.monotonic()
            booting = boot_clock() < BOOTING and not sample["gpus"]
            if now >= end and not booting:
                return
            if self.sampler.gpus.since is None and not booting:
                self.watcher.wait(SECOND)
                return
            if booting:
                self.sleep(now + 2.0)

    def sleep(self, until: float) -> None:
        """Sleep until a moment; signals are obeyed at once."""
        while not self.watcher.asked:
            if self.reload:
                self.reload = False
                self.read_config()
                self.configure()
                self.log.write("configuration read again")
                return
            left = until - time.monotonic()
            if left <= 0:
                return
            self.watcher.wait(left)

    def step(self) -> None:
        """Take a sample, hand it out, and note that; a fault costs this frame, never the next one."""
        sample: Optional[Row] = None
        trouble = ""
        try:
            sample = dict(self.sampler.sample())
            changes = self.tracker.feed(sample, sample["time"])
            # Stored before they are handed out: an alert that was raised is never raised again by a restart.
            records.store(folder.path(folder.ALERTS), self.tracker.state())
            self.outlets.offer(frame(sample, self.tracker.active, changes, self.jobs.row()))
        except Exception as error:  # the last boundary: it is logged, and the service goes on
            trouble = error_line(error)
        self.log.changed("sampling", trouble)
        self.send_test()
        try:
            self.note(sample or {}, trouble)
        except Exception as error:
            self.log.changed("status", error_line(error))

    def send_test(self) -> None:
        """Send a test message if one was asked for: only messages, since elsewhere it would be a problem."""
        try:
            os.unlink(folder.path(folder.TEST))
        except OSError:
            return
        alert = Alert(*TEST, time.time()).row()
        changes = [{"raised": True, "at": alert["since"], "alert": alert}]
        self.outlets.offer({"host": os.uname().nodename, "changes": changes, "test": True}, "messages")
        self.log.write("a test message was asked for")

    def note(self, sample: Row, trouble: str) -> None:
        """Write the status file; `install.status` answers with it."""
        cost = sample.get("probe") or {}
        outlets: List[Row] = self.outlets.status()
        row = {
            "v": 1,
            "process": self.identity,
            "version": folder.version(),
            "python": cost.get("python", ""),
            "started": self.started,
            "interval": self.config.interval,
            "frames": self.sampler.seq,
            "time": sample.get("time"),
            "clock": boot_clock(),
            "cpu": cost.get("cpu"),
            "memory": cost.get("memory"),
            "gpus": len(sample.get("gpus") or ()),
            "faults": [str(fault.get("code", "")) for fault in sample.get("faults") or ()],
            "alerts": len(self.tracker.active),
            "outlets": outlets,
            "config": self.trouble,
            "trouble": trouble,
        }
        path = folder.path(folder.STATUS)
        if not records.store(path, row):
            self.log.changed("status", "%s cannot be written: is the disk full?" % path)
            with contextlib.suppress(OSError):
                os.utime(path)  # takes no room, and says that the service lives
        else:
            self.log.changed("status", "")


def lock() -> Optional[int]:
    """Return a handle with the lock of the service, or None when another one runs; raises OSError."""
    path = folder.path(folder.LOCK)
    end = time.monotonic() + PATIENCE
    handle = gpu_queue.lock(path)
    while handle is None and time.monotonic() < end:  # a status request holds it for a moment
        time.sleep(0.1)
        handle = gpu_queue.lock(path)
    if handle is not None:
        identity = json.dumps(process_tree.identity(os.getpid())).encode()
        with contextlib.suppress(OSError):
            os.pwrite(handle, identity.ljust(IDENTITY), 0)  # in place: a full disk has room for that
    return handle


def sweep() -> None:
    """Remove what a service that was killed in the middle of a write left behind."""
    for name in os.listdir(folder.path()):
        if name.endswith(".tmp"):
            with contextlib.suppress(OSError):
                os.unlink(folder.path(name))


def main(words: List[str]) -> int:
    """Run the service to its end; returns the exit code."""
    folder.settle()
    os.umask(0o077)
    try:
        folder.private(folder.path())
        handle = lock()
    except (OSError, Refused) as error:
        sys.stderr.write("gpubox: the service has no folder: %s\n" % error)
        return 1
    if handle is None:
        running = read_text(folder.path(folder.LOCK), 4096)
        sys.stdout.write("gpubox: the service runs already: %s\n" % running)
        return 0
    sweep()
    code = 0
    log = ServiceLog(folder.path(folder.LOG))
    try:
        MonitorService().run()
    except Exception as error:
        log.write("ended by a fault: %s" % error_line(error))
        sys.stderr.write("gpubox: the service found a fault in itself: %s\n" % error_line(error))
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread may hang in the driver forever; nothing here waits for it.
    os._exit(code)
