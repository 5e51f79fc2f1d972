"""The record of a job, as remote/supervisor.py writes and sends it; units as in core.job."""

from __future__ import annotations

from signal import Signals
from typing import Literal

import msgspec

from gpubox.core.bounds import Moment, Number, Whole
from gpubox.core.job import JobSpec

State = Literal["queued", "starting", "running", "stopping", "ended"]
"""Where a job is; how it ended is told by its Ending."""

How = Literal[
    "exit",  # it exited by itself: `code`
    "signal",  # a signal ended it: `signal`, `core`
    "stopped",  # somebody stopped it: `by`
    "limit",  # its time limit passed
    "exec",  # the command could not be started: `words`
    "folder",  # the working folder could not be entered: `words`
    "env",  # its environment could not be activated: `words`
    "gpus",  # the GPUs that it wants are not there, or excluded: `words`
    "after",  # the job that it waited for did not succeed, or is gone: `words`
    "reboot",  # the box was booted anew meanwhile
    "lost",  # its supervisor was killed; what became of it is not known
    "slurm",  # Slurm ended it before the supervisor could write: `words`
]


class JobProcess(msgspec.Struct, frozen=True, omit_defaults=True):
    """A process that cannot be mistaken for another."""

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
    """Where the core lies, or which command shows it; empty when that is not known."""
    by: str = ""
    """Who stopped it: `ada@laptop`, `a signal to the supervisor`."""
    words: str = ""
    """One sentence for people; remote text, to be cleaned before it is drawn."""
    why: str = ""
    """What is known of the cause, such as the CPU feature that an illegal instruction wanted."""
    leftovers: tuple[Whole, ...] = ()
    """Processes that it left behind and that were ended."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job took: the figures of GNU time, of the command itself and what it waited for (wait4)."""

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
    """Context switches: those it waited for itself, and those it was made to do."""
    inputs: Whole = 0
    outputs: Whole = 0
    """Blocks of 512 bytes read from and written to disks."""
    others_user: Number = 0.0
    others_sys: Number = 0.0
    """CPU of processes that it left behind."""
    floor: Whole = 0
    """Memory below which max_rss says nothing: that of the process that started it."""

    @property
    def cpu(self) -> float:
        """CPU use in percent of one core."""
        return 100 * (self.user + self.sys) / self.real if self.real > 0 else 0.0


class GpuUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU during a job; None where the driver does not tell."""

    uuid: str
    index: Whole = -1
    name: str = ""
    simulated: bool = False
    memory_total: Whole | None = None
    peak_memory: Whole | None = None
    """Most memory of the job's processes at a sample, in bytes."""
    mean_util: Number | None = None
    """Percent, over the whole run."""
    busy_util: Number | None = None
    """Percent, over the samples in which it was not idle."""
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
    """Whether that was guessed from the memory alone, for lack of process numbers that fit."""
    shared: tuple[str, ...] = ()
    """Strangers seen on it meanwhile: `python (pid 812, bob)`."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is known of a job."""

    id: str
    state: State
    spec: JobSpec
    submitted: Moment
    v: Whole = 1
    serial: Whole = 0
    """Counts the jobs of the box in the order in which they were submitted; 0 where that is not known."""
    started: Moment | None = None
    ended: Moment | None = None
    waits: str = ""
    """What a queued job waits for, in words: `2 free GPUs; GPU 0: python (pid 812, bob)`."""
    ahead: Whole = 0
    """Jobs before it in the queue."""
    ending: Ending | None = None
    usage: Usage | None = None
    explaining: bool = False
    """Whether the box still looks for a program that the job did not find; `ending.why` may come yet."""
    gpus: tuple[GpuUse, ...] = ()
    """The GPUs that it got."""
    supervisor: JobProcess | None = None
    main: JobProcess | None = None
    orphaned: bool = False
    """Whether it still runs though its supervisor was killed."""
    activation: Number | None = None
    """Seconds that activating the environment took; not part of `usage`."""
    log_bytes: Whole = 0
    host: str = ""
    user: str = ""
    folder: str = ""
    """Where the record lies on the box."""
    cwd: str = ""
    """The working folder as it was entered, absolute."""
    cpu_model: str = ""
    commit: str = ""
    """Git commit of the working folder, with a `+` when files differed from it; empty without git."""
    results: tuple[str, ...] = ()
    """Files that fit `spec.results` in the end, absolute."""
    slurm: str = ""
    """Slurm's own job id."""
    warning: str = ""
    """What endangers it on this box, in words: that logging out ends what a login left behind."""
    now: Moment = 0.0
    """The box's clock when this was read."""
    spark: tuple[Number | None, ...] = ()
    """At most 20 means of what the job kept busy, 0 to 100: its GPUs, or the CPU where it has none."""


class GpuTick(msgspec.Struct, frozen=True, omit_defaults=True):
    """One GPU at one second of a job."""

    uuid: str
    util: Number | None = None
    """Percent of the GPU."""
    memory: Whole | None = None
    """Bytes of the job's processes on it."""
    total: Whole | None = None
    """Bytes in use on it by anybody."""
    power: Number | None = None
    temperature: Number | None = None
    clock: Number | None = None
    throttle: tuple[str, ...] = ()


class Tick(msgspec.Struct, frozen=True, omit_defaults=True):
    """One second of a job: a line of its samples file."""

    t: Number
    """Seconds since it started."""
    log: Whole = 0
    """Bytes of log by then, which ties the graphs to the log."""
    cpu: Number | None = None
    """Percent of one core, all its processes."""
    rss: Whole | None = None
    """Bytes of memory, all its processes."""
    processes: Whole = 0
    gpus: tuple[GpuTick, ...] = ()
    width: Number = 1.0
    """Seconds that it stands for: after an hour, means of ten."""


class GpuPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A GPU as the queue sees it."""

    uuid: str
    index: Whole
    name: str = ""
    free: bool = True
    """Whether a queued job could take it now."""
    job: str = ""
    """The job that has it."""
    strangers: tuple[str, ...] = ()
    """Processes on it that belong to no job: `python (pid 812, bob, 642 MiB)`."""


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer to `list`: all jobs, newest first, and the GPUs they queue for."""

    now: Moment
    jobs: tuple[Record, ...] = ()
    gpus: tuple[GpuPlace, ...] = ()


ACTIVE: tuple[State, ...] = ("queued", "starting", "running", "stopping")
"""States that will change by themselves."""


def exit_status(record: Record) -> int:
    """Return the exit status that a shell would give for an ended job.

    Its own code; 128 + n for signal n; 124 for its time limit, as timeout(1); 127 when it could not be
    started; 125 for all that is no ending of the command itself, also where that said 0 when it was stopped.
    """
    ending = record.ending
    if ending is None:
        return 125
    if ending.how == "limit":
        return 124
    if ending.how == "exec":
        return 127
    if ending.how in ("stopped", "slurm") and ending.code == 0:
        return 125  # a command that was asked to end may do so with 0, and is not done all the same
    if ending.code is not None:
        return ending.code
    number = Signals.__members__.get(f"SIG{ending.signal}")
    return 128 + number if number is not None else 125
