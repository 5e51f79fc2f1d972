"""Facts of X11 over ssh, as remote/checks/x11.py gathers them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.core.bounds import Number, Whole


class XauthLock(msgspec.Struct, frozen=True):
    """A lock of the file of cookies."""

    path: str
    age: Number = 0.0
    """Seconds."""


class X11Facts(Facts, frozen=True):
    """The program xauth, and the file that it writes."""

    SECTION: ClassVar[str] = "x11"

    user: str = ""
    uid: Whole = 0
    xauth: str = ""
    """Where the program is; empty without it."""
    works: bool | None = None
    """Whether it read the file; None when it was not tried."""
    error: str = ""
    """What it said."""
    path: str = ""
    """The file of cookies."""
    there: bool = False
    owner: str = ""
    owner_uid: Whole | None = None
    mode: Whole | None = None
    folder_writable: bool = True
    """Whether the user may write a new file beside it, as xauth does."""
    locks: tuple[XauthLock, ...] = ()
    display: bool = False
    """Whether DISPLAY is set for our own commands."""
