"""Job specs: the requests of the user; core.record has their outcome.

All times are seconds since the epoch by the box's clock; all durations are seconds, all sizes bytes.
Unknown fields are ignored and new ones have defaults, so that old records stay readable.
"""

from __future__ import annotations

import shlex
from typing import Literal

import msgspec

from gpubox.core.bounds import Number, Whole


class GpuRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The GPUs that a job requests."""

    mode: Literal["count", "chosen", "none", "any"] = "count"
    """A number of free ones; those named; none, with CUDA_VISIBLE_DEVICES empty; or all, without a lease."""
    count: Whole = 1
    uuids: tuple[str, ...] = ()


class Ignored(msgspec.Struct, frozen=True, omit_defaults=True):
    """A process that does not count as using a GPU."""

    pid: Whole
    start: Whole = 0
    """Field 22 of /proc/PID/stat; 0 fits any."""


class JobSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request for a job. Values of secrets in `environment` never reach the box's disk."""

    id: str
    """`YYYYMMDD-HHMMSS-xxxx`; made by the client, so that submitting it twice starts one job."""
    argv: tuple[str, ...]
    """The program and its arguments."""
    line: str = ""
    """The line that the user typed, for display and editing; empty when `argv` was given."""
    name: str = ""
    cwd: str = ""
    """Working folder; `~` and relative paths start at the home folder, which is also the default."""
    prefix: str = ""
    """The environment's folder; empty runs without one."""
    kind: str = ""
    """The environment's kind; see core.env.Kind."""
    env: str = ""
    """The environment's name, for display."""
    changes: tuple[str, ...] = ()
    """Folders of environments that no other job may change meanwhile; it waits for those that do."""
    removes: bool = False
    """Whether the job deletes them, which is refused while another job runs in one of them."""
    login: bool = True
    """Whether it starts with the environment of a login shell, rather than what sshd gives a command. The
    variables of its software environment and `environment` come on top.
    """
    environment: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Additional variables."""
    hidden: tuple[str, ...] = ()
    """Names in `environment` whose values were left out of the record, because they look like secrets."""
    gpus: GpuRequest = GpuRequest(mode="none")
    now: bool = False
    """Start at once, on busy GPUs if none is free, instead of queuing."""
    exclude: tuple[str, ...] = ()
    """UUIDs or indices of GPUs that the queue may not use."""
    ignore: tuple[Ignored, ...] = ()
    after: str = ""
    """Id of a job that must end first."""
    after_any: bool = False
    """Whether that job may fail; otherwise it must end with exit code 0."""
    limit: Number | None = None
    """Time limit in seconds; None for no limit."""
    grace: Number = 10.0
    """Seconds between TERM and KILL when it is stopped."""
    results: tuple[str, ...] = ()
    """Result files to fetch after it ended: names or patterns, relative to the working folder."""
    files: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Small files that are sent along: plain names and their text, written to `files/` of the record.

    `{files}` in `argv` and `environment` stands for that folder, `{folder}` there and in `cwd` for the
    record's.
    """
    notify: bool = True
    group: str = ""
    """Runs that belong together, such as the repeats of a comparison."""
    template: str = ""
    """The template that it was made from."""
    backend: str = "box"
    """What runs it, by its name; see boxes.jobs.backends."""
    options: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Values of its backend's own options, such as a partition, by name."""
    by: str = ""
    """Who submitted it: `user@laptop`."""

    @property
    def command(self) -> str:
        """Its command, as a user types it."""
        return self.line or shlex.join(self.argv)
