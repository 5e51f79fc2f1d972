"""A log goes byte for byte into a pipe; a terminal gets its colors only."""

import os
import subprocess
import sys

import pytest

LOG = b"\x1b[31mred\x1b[0m\x1b]52;c;aGk=\x07\x1b]0;title\x07\x1b[6n\xff\n"
WRITERS = {
    "logs": "from gpubox.commands.job_log import _write as write",
    "other programs": "from gpubox.commands.output import pass_on as write",
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("terminal", [True, False])
def test_what_acts_on_a_terminal_is_left_out_there_and_nowhere_else(writer: str, terminal: bool) -> None:
    read, write = os.openpty() if terminal else os.pipe()
    try:
        words = [sys.executable, "-c", f"{WRITERS[writer]}; write({LOG!r})"]
        subprocess.run(words, stdout=write, check=True)
        shown = os.read(read, 4096)
    finally:
        os.close(write)
        os.close(read)
    colored = "\x1b[31mred\x1b[0m\ufffd".encode()
    assert shown == (colored + b"\r\n" if terminal else LOG)
