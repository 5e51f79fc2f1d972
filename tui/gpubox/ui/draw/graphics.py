"""Images in real pixels, where the terminal draws them and the extra `pictures` is installed."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from textual_image.widget import SixelImage, TGPImage

    Images = type[SixelImage] | type[TGPImage]

_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
"""Kitty's query, then one that every terminal answers: the second answer is the last."""
_ANSWER = re.compile(rb"\x1b\[\?([\d;]*)c")
_PATIENCE = 0.3
"""Seconds for the answer; a terminal behind a slow line takes a round trip."""
_SIXEL = b"4"

found: Images | None = None
"""The widget that draws pixels, if `find` found support for it; else half cells are drawn."""


def find(mode: Literal["auto", "cells"]) -> None:
    """Query the terminal's graphics, and load the widget for it; call it before the app takes the screen.

    There is no query for `cells`, without textual-image, or inside tmux and screen, which answer themselves
    and drop pictures.
    """
    global found
    found = None
    if mode == "cells" or not _may_ask() or find_spec("textual_image") is None:
        return
    said = _asked()
    answer = _ANSWER.search(said)
    sixel = answer is not None and _SIXEL in answer[1].split(b";")
    if not sixel and b"\x1b_Gi=31;OK" not in said:
        return
    # The import queries the terminal again, which answers at once, as before.
    from textual_image.widget import SixelImage, TGPImage

    # WezTerm and Konsole claim both, but do not support kitty's placeholders.
    found = SixelImage if sixel else TGPImage


def _may_ask() -> bool:
    variables = os.environ
    if "TMUX" in variables or "STY" in variables or variables.get("TERM", "dumb") in ("dumb", "linux"):
        return False
    # Terminal.app prints kitty's query on the screen.
    if variables.get("TERM_PROGRAM") == "Apple_Terminal" or variables["TERM"].startswith(("screen", "tmux")):
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stdout__))


def _asked() -> bytes:
    """Return the terminal's answers; keys pressed meanwhile are lost."""
    assert sys.__stdin__ is not None
    assert sys.__stdout__ is not None
    keys, screen = sys.__stdin__.fileno(), sys.__stdout__.fileno()
    before = termios.tcgetattr(keys)
    said = b""
    end = time.monotonic() + _PATIENCE
    tty.setcbreak(keys, termios.TCSANOW)
    try:
        os.write(screen, _QUESTION)
        while not _ANSWER.search(said) and select.select([keys], [], [], max(0.0, end - time.monotonic()))[0]:
            said += os.read(keys, 1024)
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)
    return said
