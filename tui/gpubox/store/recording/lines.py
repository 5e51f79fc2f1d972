"""The lines of a recording.

A recording is a gzip file with one JSON object per line. It has a member for each SEGMENT readings, which
starts with a whole sample: replaying can start there. Every line is flushed, so that a recording whose
program was killed is whole up to its last reading. `zcat FILE` shows the lines.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gpubox.core.bounds import Moment, Whole
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Health, Phase
from gpubox.core.sanitize import clean

VERSION = 1
"""Version of the format; the first line has it as `v`."""
SEGMENT = 300
"""Readings that follow a whole sample as changes."""
GZIP = 31
"""What zlib calls a gzip member with the largest window."""


class Head(msgspec.Struct, frozen=True):
    """The first line's description of the recording."""

    v: Whole
    box: str
    """What the user calls the box."""


class LinkChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A new state of the link, or an error of the probe."""

    about: Literal["link", "probe"] = "link"
    phase: Phase = Phase.LIVE
    """Of the link."""
    address: str = ""
    title: str = ""
    """Of the error; empty when there is none."""
    text: str = ""
    hint: str = ""

    @classmethod
    def of(cls, health: Health) -> LinkChange:
        """Return the state of a link as it is recorded."""
        title, text, hint = _words(health.reason)
        return cls("link", health.phase, health.address, title, text, hint)

    @classmethod
    def of_probe(cls, trouble: GpuBoxError | None) -> LinkChange:
        """Return an error of the probe as it is recorded; None when it is over."""
        title, text, hint = _words(trouble)
        return cls(about="probe", title=title, text=text, hint=hint)

    @property
    def error(self) -> GpuBoxError | None:
        """The error, safe to draw; None when there is none."""
        words = (clean(self.title), clean(self.text), clean(self.hint))
        return GpuBoxError(*words) if self.title else None

    @property
    def health(self) -> Health:
        """The state of the link; a link in trouble always has an error."""
        troubled = self.phase in (Phase.WAITING, Phase.REFUSED)
        error = self.error or (GpuBoxError("Connection lost") if troubled else None)
        return Health(self.phase, reason=error if troubled else None, address=clean(self.address, 120))


class RecordedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; only one of its fields besides the time is set."""

    t: Moment
    """When it was recorded, in seconds since the epoch of the machine that recorded it."""
    recording: Head | None = None
    """In the first line of the file."""
    link: LinkChange | None = None
    sample: dict[str, object] | None = None
    """A whole sample, as the probe sends it; see docs/json.md."""
    change: dict[str, object] | None = None
    """What has changed since the sample before; see `changes`."""


def _words(error: GpuBoxError | None) -> tuple[str, str, str]:
    return ("", "", "") if error is None else (error.title, error.text, error.hint)
