"""`gpubox-tui shell` and `x11` without a terminal: three pipes, exit statuses, and words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpubox.commands.shell import _line
from tests.commands.run import PROGRAM, Ran, apart, environment, here
from tests.components.parts import program
from tests.hang import LIMIT


def fed(text: bytes, *words: str, **more: str) -> Ran:
    """Run with something on stdin."""
    done = subprocess.run(
        [*PROGRAM, *words],
        input=text,
        capture_output=True,
        env=environment(**more),
        timeout=LIMIT,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("box", ["local", "demo"])
def test_pipes_and_status_pass_through(box: str) -> None:
    ran = fed(b"given", "shell", box, "--", "cat; echo out; echo words >&2; exit 7")
    assert (ran.status, ran.out, ran.err) == (7, "givenout\n", "words\n")


def test_a_signal_becomes_a_status() -> None:
    assert apart("shell", "local", "--", "kill -TERM $$").status == 143


@pytest.mark.parametrize("box", ["local", "demo"])
def test_words_stay_words_as_run_takes_them(box: str) -> None:
    assert apart("shell", box, "--", "sh", "-c", "exit 7").status == 7
    odd = ["a  b", "it's", "$HOME", "back\\slash", "\\'", "", "!x", "*", "two\nlines", "é\t"]
    ran = apart("shell", box, "--", "printf", "<%s>", *odd)
    assert (ran.status, ran.out) == (0, "".join(f"<{word}>" for word in odd))


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "fish", "tcsh"])
def test_words_stay_words_in_every_login_shell(shell: str, tmp_path: Path) -> None:
    path = program(shell)
    odd = ["a  b", "it's", "$HOME", "back\\slash", "\\'", "", "!x", "*", "two\nlines"]
    line = _line(("printf", "<%s>", *odd))
    assert line
    words = [path, *(["-f"] if shell in ("tcsh", "zsh") else []), "-c", line]
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(words, env=home, capture_output=True, timeout=60, check=False)
    assert done.stdout.decode() == "".join(f"<{word}>" for word in odd)


def test_without_a_command_the_shell_reads_stdin() -> None:
    ran = fed(b"echo from stdin\nexit 4\n", "shell", "local")
    assert (ran.status, ran.out) == (4, "from stdin\n")


def test_binary_passes_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8_000
    done = subprocess.run(
        [*PROGRAM, "shell", "demo", "--", "cat"],
        input=data, capture_output=True, env=environment(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, data)


def test_a_reader_that_goes_away_ends_it_without_words() -> None:
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {' '.join(PROGRAM)} shell local -- yes | head -1"],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (141, b"y\n", b"")


def test_a_command_that_needs_no_more_input_ends_though_stdin_stays_open() -> None:
    with subprocess.Popen(
        [*PROGRAM, "shell", "local", "--", "exit 5"], stdin=subprocess.PIPE, env=environment()
    ) as process:
        assert process.wait(timeout=LIMIT) == 5


def test_ignored_signals_stay_ignored_and_are_not_inherited() -> None:
    # The parent is our own program.
    command = "for s in HUP INT QUIT; do kill -$s $PPID; done; grep SigIgn /proc/self/status; exit 6"
    ran = subprocess.run(
        ["sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh", *PROGRAM, "shell", "local", "--", command],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert ran.returncode == 6, ran.stderr
    ignored = int(ran.stdout.split()[1], 16)
    assert [n.name for n in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT) if ignored >> (n - 1) & 1] == []


def test_blocked_signals_are_unblocked() -> None:
    blocking = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); "
    command = [*PROGRAM, "shell", "local", "--", "grep SigBlk /proc/self/status"]
    ran = subprocess.run(
        [sys.executable, "-c", blocking + "os.execv(sys.argv[1], sys.argv[1:])", *command],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    blocked = int(ran.stdout.split()[1], 16)
    unblocked = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGWINCH)
    assert [number.name for number in unblocked if blocked >> (number - 1) & 1] == []


def test_a_box_that_cannot_be_reached_ends_with_255() -> None:
    ran = apart("--set", "ssh.connect_timeout=2", "shell", "nobody@127.0.0.1:1", "--", "true")
    assert (ran.status, ran.out) == (255, "")
    assert "nothing listens on port 1" in ran.err
    assert "Traceback" not in ran.err


def test_wrong_words_end_with_2() -> None:
    assert here("shell").status == 2
    assert here("x11", "local").status == 2


def test_without_a_display_no_box_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    ran = here("x11", "nobody@127.0.0.1:1", "--", "xeyes")
    assert ran.status == 255
    assert "DISPLAY is not set" in ran.err
