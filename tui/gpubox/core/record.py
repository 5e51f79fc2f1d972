"""The record of a job, as remote/jobs/supervisor.py writes and sends it; units as in core.job."""

from __future__ import annotations

from signal import Signals
from typing import Literal

import msgspec

from gpubox.core.bounds import Moment, Number, Whole
from gpubox.core.job import JobSpec

State = Literal["queued", "starting", "running", "stopping", "ended"]
"""The state of a job; its Ending says how it ended."""

How = Literal[
    "exit",  # it exited by itself: `code`
    "signal",  # a signal ended it: `signal`, `core`
    "stopped",  # somebody stopped it: `by`
    "limit",  # its time limit passed
    "exec",  # the command could not be started: `words`
    "folder",  # the working folder could not be entered: `words`
    "env",  # its environment could not be activated: `words`
    "gpus",  # the GPUs that it asks for do not exist, or are excluded: `words`
    "after",  # the job that it waited for did not succeed, or is gone: `words`
    "reboot",  # the box rebooted meanwhile
    "lost",  # its supervisor was killed; its outcome is unknown
    "queue",  # its queue ended it, or knows what the supervisor could not write: `by`, `words`
]


class JobProcess(msgspec.Struct, frozen=True, omit_defaults=True):
    """A process, identified beyond doubt."""

    pid: Whole
    start: Whole
    """Field 22 of /proc/PID/stat: clock ticks after boot."""
    boot: str = ""
    """The boot id of the kernel."""
    pidns: str = ""
    """The pid namespace, as /proc/PID/ns/pid links to it."""


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a job ended."""

    how: How
    code: Whole | None = None
    """Exit code; None when a signal ended it or it never started."""
    signal: str = ""
    """Name without SIG, such as `ABRT`; also how a stopped job died."""
    core: bool = False
    """Whether the kernel dumped core."""
    core_file: str = ""
    """Where the core dump is, or the command that shows it; empty when unknown."""
    by: str = ""
    """Who stopped it: `ada@laptop`, `a signal to the supervisor`; the queue that ended it."""
    words: str = ""
    """One sentence for people; remote text, to be cleaned before it is drawn."""
    why: str = ""
    """The known cause, such as the CPU feature that an illegal instruction needs."""
    leftovers: tuple[Whole, ...] = ()
    """Processes that it left behind and that were killed."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Resource usage of a job, as GNU time reports it: of the command and the children it waited for."""

    real: Number
    user: Number = 0.0
    sys: Number = 0.0
    max_rss: Whole = 0
    """Peak memory of the largest single process, in bytes (ru_maxrss)."""
    peak_tree: Whole | None = None
    """Peak memory of all its processes together, sampled each second; None when never sampled."""
    major_faults: Whole = 0
    minor_faults: Whole = 0
    voluntary: Whole = 0
    involuntary: Whole = 0
    """Voluntary and involuntary context switches."""
    inputs: Whole = 0
    outputs: Whole = 0
    """Blocks of 512 bytes read from and written to disks."""
    others_user: Number = 0.0
    others_sys: Number = 0.0
    """CPU seconds of processes that it left behind."""
    floor: Whole = 0
    """Memory below which max_rss is meaningless: that of the process that started it."""

    @property
    def cpu(self) -> float:
        """CPU use in percent of one core."""
        return 100 * (self.user + self.sys) / self.real if self.real > 0 else 0.0


class GpuUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU during a job; None where the driver gives no value."""

    uuid: str
    index: Whole = -1
    name: str = ""
    simulated: bool = False
    memory_total: Whole | None = None
    peak_memory: Whole | None = None
    """Peak memory of the job's processes over all samples, in bytes."""
    mean_util: Number | None = None
    """Percent, over the whole run."""
    busy_util: Number | None = None
    """Percent, over the samples in which it was busy."""
    max_temperature: Number | None = None
    mean_power: Number | None = None
    """Watts."""
    max_power: Number | None = None
    energy: Number | None = None
    """Joules of the whole GPU while the job ran."""
    energy_by: Literal["counter", "power", ""] = ""
    """Whether that is the card's own counter, or the sum of power readings."""
    mean_clock: Number | None = None
    """MHz of the SMs."""
    throttled: dict[str, Number] = msgspec.field(default_factory=dict[str, Number])
    """Seconds by reason, named as core.sample names them."""
    used: bool = False
    """Whether a process of the job was seen on it."""
    inferred: bool = False
    """Whether that was inferred from memory alone, because no process number matched."""
    shared: tuple[str, ...] = ()
    """Other processes seen on it meanwhile: `python (pid 812, bob)`."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything known of a job."""

    id: str
    state: State
    spec: JobSpec
    submitted: Moment
    v: Whole = 1
    serial: Whole = 0
    """The job's number in the order of submission on the box; 0 where unknown."""
    started: Moment | None = None
    ended: Moment | None = None
    waits: str = ""
    """What a queued job waits for, in words: `2 free GPUs; GPU 0: python (pid 812, bob)`."""
    ahead: Whole = 0
    """Jobs before it in the queue."""
    ending: Ending | None = None
    usage: Usage | None = None
    explaining: bool = False
    """Whether the box still searches for a program that the job did not find; `ending.why` may follow."""
    gpus: tuple[GpuUse, ...] = ()
    """The GPUs that were assigned to it."""
    supervisor: JobProcess | None = None
    main: JobProcess | None = None
    orphaned: bool = False
    """Whether it still runs although its supervisor was killed."""
    activation: Number | None = None
    """Seconds that activating the environment took; not part of `usage`."""
    log_bytes: Whole = 0
    host: str = ""
    user: str = ""
    folder: str = ""
    """The folder of the record on the box."""
    cwd: str = ""
    """The working folder that it ran in, absolute."""
    cpu_model: str = ""
    commit: str = ""
    """Git commit of the working folder, with a `+` when it was dirty; empty without git."""
    results: tuple[str, ...] = ()
    """Files that matched `spec.results` when it ended, absolute."""
    queue_id: str = ""
    """Its id in the queue of its backend; empty where the box itself runs it."""
    warning: str = ""
    """What endangers it on this box, in words: that a logout kills leftover processes, for example."""
    now: Moment = 0.0
    """The box's clock when this was read."""
    spark: tuple[Number | None, ...] = ()
    """At most 20 means of how busy its GPUs were, or the CPU where it has none; 0 to 100."""


class GpuTick(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU at one second of a job."""

    uuid: str
    util: Number | None = None
    """Percent of the GPU."""
    memory: Whole | None = None
    """Bytes of the job's processes on it."""
    total: Whole | None = None
    """Bytes in use on it by all processes."""
    power: Number | None = None
    temperature: Number | None = None
    clock: Number | None = None
    throttle: tuple[str, ...] = ()


class Tick(msgspec.Struct, frozen=True, omit_defaults=True):
    """One second of a job: a line of its samples file."""

    t: Number
    """Seconds since it started."""
    log: Whole = 0
    """Bytes of the log by then, which links the graphs to the log."""
    cpu: Number | None = None
    """Percent of one core, all its processes."""
    rss: Whole | None = None
    """Bytes of memory, all its processes."""
    processes: Whole = 0
    gpus: tuple[GpuTick, ...] = ()
    width: Number = 1.0
    """Seconds that it covers: after an hour, ticks are means of ten seconds."""


class GpuPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A GPU as the queue sees it."""

    uuid: str
    index: Whole
    name: str = ""
    free: bool = True
    """Whether a queued job could get it now."""
    job: str = ""
    """The job that holds it."""
    strangers: tuple[str, ...] = ()
    """Processes on it that belong to no job: `python (pid 812, bob, 642 MiB)`."""


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer to `list`: all jobs, newest first, and the GPUs they queue for."""

    now: Moment
    jobs: tuple[Record, ...] = ()
    gpus: tuple[GpuPlace, ...] = ()


ACTIVE: tuple[State, ...] = ("queued", "starting", "running", "stopping")
"""States that are not final."""


def exit_status(record: Record) -> int:
    """Return the exit status that a shell would give for an ended job.

    Its own code; 128 + n for signal n; 124 for its time limit, as timeout(1); 127 when it could not be
    started; 125 for every other outcome, also when the command exited with 0 because it was stopped.
    """
    ending = record.ending
    if ending is None:
        return 125
    if ending.how == "limit":
        return 124
    if ending.how == "exec":
        return 127
    if ending.how in ("stopped", "queue") and ending.code == 0:
        return 125  # a command that was stopped may exit with 0, but did not finish
    if ending.code is not None:
        return ending.code
    number = Signals.__members__.get(f"SIG{ending.signal}")
    return 128 + number if number is not None else 125
