"""Cleans a stream of program output for a terminal: colors stay, other escape sequences go."""

from __future__ import annotations

import codecs
import re

from gpubox.core.sanitize import clean

LONGEST = 4096
"""Characters of the longest escape sequence that is recognized."""

_ESCAPE = re.compile(
    r"\x1b(?:"
    r"(?P<keep>\[[0-9:;]*m|\[[0-2]?K)"  # SGR, and EL, with which progress bars wipe their line
    r"|\[[0-?]*[ -/]*[@-~]"  # CSI: moves of the cursor, queries, modes
    r"|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=[\x1b\n]))"  # OSC, DCS, SOS, PM, APC (ECMA-48, 8.3)
    r"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~]"  # two characters or more
    r"|(?=[^\x20-\x7e])"  # none at all
    r"|\[[0-?]*[ -/]*(?=[^\x20-\x7e])"  # broken off
    r")"
)
_ACTS = re.compile(r"[^\x20-\x7e\n\r\t\x08]")


class TerminalText:
    r"""Cleans a stream. Only colors, wiping the line, `\r`, `\n`, `\t` and backspace reach the terminal.

    Titles, the clipboard, queries that the terminal answers as if it were typed, and moves of the cursor are
    left out; other controls, C1 and bidirectional marks become U+FFFD. It buffers at most LONGEST characters.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def clean(self, data: bytes, *, last: bool = False) -> bytes:
        """Return the output that may be written now; `last` flushes the rest."""
        text = self._rest + self._decoder.decode(data, last)
        self._rest = ""
        out: list[str] = []
        begin = 0
        while (at := text.find("\x1b", begin)) >= 0:
            out.append(_ACTS.sub(_safe, text[begin:at]))
            found = _ESCAPE.match(text, at)
            if found is not None:
                out.append(found[0] if found["keep"] else "")
                begin = found.end()
            elif last or len(text) - at > LONGEST:
                begin = at + 1  # what follows is text
            else:
                self._rest = text[at:]
                return "".join(out).encode()
        out.append(_ACTS.sub(_safe, text[begin:]))
        return "".join(out).encode()


def _safe(found: re.Match[str]) -> str:
    return clean(found[0])
