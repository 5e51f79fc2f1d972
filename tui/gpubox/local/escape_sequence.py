"""Keyboard escape sequences, as in ssh: Enter, tilde, dot leaves a program that does not respond."""

from __future__ import annotations

_TILDE = ord("~")
HELP = b"\r\n".join(
    (
        b"",
        b"Keys after Enter:",
        b" ~.  leave at once, whatever the box does",
        b" ~~  send one tilde",
        b" ~?  this",
        b"",
    )
)
"""The help that `~?` shows."""


class Escape:
    """Filters the input: everything but escape sequences goes to the program."""

    def __init__(self) -> None:
        self._fresh = True
        self._held = False
        self.left = False
        """Whether the user wants to leave."""
        self.asked = False
        """Whether the user asked for the help; the caller shows it and resets this."""

    def feed(self, data: bytes) -> bytes:
        """Return the keys that go to the program."""
        out = bytearray()
        for byte in data:
            if self.left:
                break
            if self._held:
                self._held = False
                self._second(byte, out)
            elif self._fresh and byte == _TILDE:
                self._held = True
                continue
            else:
                out.append(byte)
            self._fresh = byte in b"\r\n"
        return bytes(out)

    def _second(self, byte: int, out: bytearray) -> None:
        if byte == ord("."):
            self.left = True
        elif byte == ord("?"):
            self.asked = True
        elif byte == _TILDE:
            out.append(byte)
        else:
            out += bytes((_TILDE, byte))
