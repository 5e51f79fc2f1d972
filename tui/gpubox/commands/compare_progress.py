"""Progress of a comparison on stderr: a line when a run starts or ends, and the last line of its log."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

import click

from gpubox.common.units import duration
from gpubox.core.sanitize import clean, clean_lines

if TYPE_CHECKING:
    from gpubox.core.record import Record

EACH = 1.0
"""Seconds between two drawings of the line."""
LOG_TAIL = 4096
"""Bytes at the end of the log that are searched for its newest line."""


class Progress:
    """Reports each run; on a terminal a further line shows its run time and the newest line of its log."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._began = 0.0
        self._log = b""
        self._ticking: asyncio.Task[None] | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._still()

    def begins(self, number: int, record: Record) -> None:
        """Report the start of a run, and why it waits."""
        spec = record.spec
        where = "without a GPU" if spec.gpus.mode == "none" else "with a GPU"
        env = f" in {clean(spec.env, 60)}" if spec.env else ""
        waits = record.state == "queued" and record.waits
        why = f"; it waits for {clean(record.waits, 120)}" if waits else ""
        name = clean(spec.name, 60)
        click.echo(f"{number} of {self._count}: {name}{env} {where}, job {record.id}{why}", err=True)
        self._began, self._log = time.monotonic(), b""
        if sys.stderr.isatty():
            self._ticking = asyncio.ensure_future(self._tick())

    def says(self, number: int, data: bytes) -> None:
        """Keep the end of the log."""
        self._log = (self._log + data)[-LOG_TAIL:]

    def ended(self, number: int, record: Record) -> None:
        """Report how the run ended."""
        from gpubox.boxes.jobs.wording import outcome

        self._still()
        took = f" after {record.usage.real:.2f} s" if record.usage is not None else ""
        click.echo(f"{number} of {self._count}: {outcome(record)}{took}", err=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(EACH)
            with suppress(OSError, ValueError):  # a closed terminal is no error
                sys.stderr.write(f"\r{self.line(shutil.get_terminal_size().columns)}\x1b[K")
                sys.stderr.flush()

    def line(self, width: int) -> str:
        """Return the run time and the newest non-blank line of the log, in less than `width`."""
        said = clean_lines(self._log, 200)[-1:]
        return f"  {duration(time.monotonic() - self._began)}  {' '.join(said)}"[: max(0, width - 1)]

    def _still(self) -> None:
        """Erase the line."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
            with suppress(OSError, ValueError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
