"""Asks questions at the terminal, for runs without the panel."""

from __future__ import annotations

import asyncio
import os
import termios

from gpubox.core import core_dumps
from gpubox.core.prompts import Question, QuestionKind

LONGEST = 4096
"""Longest answer in bytes, the limit of a terminal in canonical mode."""


class TerminalAsker:
    """Asks on /dev/tty, so that stdin and stdout may be pipes; declines where there is no terminal."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def ask(self, question: Question) -> str | None:
        """Return the answer, or None without a terminal, at its end (Ctrl-D) or for an empty line."""
        async with self._turn:  # several boxes may ask; one question at a time
            try:
                tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:
                return None
            try:
                if os.tcgetpgrp(tty) != os.getpgrp():
                    return None  # in the background, reading would stop this program
                return _answer(question, await _asked(tty, question))
            finally:
                os.close(tty)


def _answer(question: Question, line: str | None) -> str | None:
    if line is None:
        return None
    if question.kind is QuestionKind.YES_NO:
        return "yes" if line.strip().lower() in ("y", "yes") else "no"
    return line if question.may_be_empty else line or None


async def _asked(tty: int, question: Question) -> str | None:
    """Put the question and read a line from the event loop, so that Ctrl-C leaves at once."""
    label = question.prompt.strip() or question.title
    if question.kind is QuestionKind.YES_NO:
        label = "yes or no [no]:"
    sign = "! " if question.danger else ""
    os.write(tty, f"\n{sign}{question.about}: {question.title}\n{question.text}\n".encode("utf-8", "replace"))
    before = termios.tcgetattr(tty)
    if question.kind is QuestionKind.SECRET:
        core_dumps.forbid()
        silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(tty, termios.TCSAFLUSH, silent)
    try:
        # Last, as switching echo off discards what was typed before: nobody types a secret before its label.
        os.write(tty, f"{label} ".encode("utf-8", "replace"))
        return await _line(tty)
    finally:
        if question.kind is QuestionKind.SECRET:
            termios.tcsetattr(tty, termios.TCSADRAIN, before)
            os.write(tty, b"\n")


async def _line(tty: int) -> str | None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(tty, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(tty)
    data = os.read(tty, LONGEST)  # in canonical mode a terminal is readable when a whole line is there
    return data.decode("utf-8", "replace").rstrip("\r\n") if data else None
