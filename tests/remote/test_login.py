"""The environment of a login, read from real shells with start files as people have them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.boxes.login import needs
from tests.hang import LIMIT
from tests.remote.bundles import lay, remote
from tests.remote.jobs.meters import waited
from tests.remote.running import pythons

NOISE = "echo Welcome; echo to the box >&2; printf 'GPUBOX_LOGIN=no\\0X=1\\n'"
MAIN = "gpubox.remote.login"
SHELLS = {
    "bash": {".bash_profile": f"{NOISE}\nexport DEEP='a\nb'\n. ~/.bashrc\n",
             ".bashrc": "case $- in *i*) ;; *) return;; esac\n"
             'echo hello\nexport PATH="$HOME/.local/bin:$PATH"\n'},
    "zsh": {".zshenv": NOISE + "\n", ".zprofile": "export DEEP='a\nb'\n",
            ".zshrc": 'echo hello; export PATH="$HOME/.local/bin:$PATH"\n'},
    "fish": {".config/fish/config.fish": "echo Welcome; echo to the box >&2\nset -gx DEEP 'a\nb'\n"
             'if status is-interactive; echo hello; set -gx PATH "$HOME/.local/bin" $PATH; end\n'},
    "tcsh": {".tcshrc": "echo Welcome\nsetenv PATH ${HOME}/.local/bin:$PATH\n",
             ".login": "echo hello\nsetenv DEEP 'a\\\nb'\n"},
    "dash": {".profile": f"{NOISE}\nexport DEEP='a\nb' ENV=\"$HOME/.rc\"\n",
             ".rc": 'echo hello\nexport PATH="$HOME/.local/bin:$PATH"\n'},
}  # fmt: skip
"""Start files that print, and set PATH for people only, as distributions and installers write them."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Our program as a box keeps it."""
    return lay(tmp_path / "program", MAIN) / "run.py"


def home_of(tmp_path: Path, files: dict[str, str]) -> Path:
    home = tmp_path / "home"
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return home


def begun(
    program: Path, home: Path, shell: str, *words: str, python: str = sys.executable, **more: str
) -> subprocess.Popen[bytes]:
    environment = {
        "HOME": str(home), "SHELL": shutil.which(shell) or shell, "PATH": "/usr/bin:/bin",
        "SSH_CONNECTION": "1 2 3 4", **more,
    }  # fmt: skip
    return subprocess.Popen(
        [python, "-I", "-S", str(program), MAIN, *words],
        env=environment,
        stdin=-1,
        stdout=-1,
        stderr=-1,
    )


def said(process: subprocess.Popen[bytes]) -> bytes:
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    return out


def read(program: Path, home: Path, shell: str, python: str = sys.executable) -> dict[str, str]:
    answer = json.loads(said(begun(program, home, shell, "read", python=python)))
    assert "environment" in answer, answer
    entries = base64.b64decode(answer["environment"]).split(b"\0")
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("shell", SHELLS)
def test_what_start_files_set_is_found_and_what_they_print_is_not(
    program: Path, tmp_path: Path, shell: str
) -> None:
    home = home_of(tmp_path, SHELLS[needs(shell)])
    found = read(program, home, shell)
    assert f"{home}/.local/bin" in found["PATH"].split(":")
    assert found["DEEP"] == "a\nb"
    assert found["HOME"] == str(home)
    assert not found.keys() & {"X", "SSH_CONNECTION", "GPUBOX_LOGIN", "TERM", "SHLVL", "_"}
    assert shell == "fish" or "LC_CTYPE" not in found  # fish sets one itself where there is no locale


@pytest.mark.parametrize("python", pythons().values(), ids=lambda path: path.replace("/", "_"))
def test_every_python_of_a_box_reads_it(program: Path, tmp_path: Path, python: str) -> None:
    home = home_of(tmp_path, SHELLS["dash"])
    assert f"{home}/.local/bin" in read(program, home, "dash", python)["PATH"]


@pytest.mark.parametrize("trouble", ["exec fish", "exec cat", "exit 3", "read -p 'which? ' x; exec false"])
def test_a_start_file_that_becomes_another_program_for_people_only_is_no_trouble(
    program: Path, tmp_path: Path, trouble: str
) -> None:
    home = home_of(
        tmp_path,
        {
            ".bash_profile": 'export PATH="$HOME/.local/bin:$PATH"\n. ~/.bashrc\n',
            ".bashrc": f"case $- in *i*) {trouble};; esac\n",
        },
    )
    found = read(program, home, "bash")
    assert f"{home}/.local/bin" in found["PATH"]


def test_a_start_file_that_asks_is_answered_by_nothing(program: Path, tmp_path: Path) -> None:
    home = home_of(tmp_path, {".bash_profile": "read -p 'Which? ' x\nread y </dev/tty\nexport X=done$x\n"})
    assert read(program, home, "bash")["X"] == "done"


def test_the_whole_session_of_a_start_file_that_hangs_is_ended(program: Path, tmp_path: Path) -> None:
    own = tmp_path / "pids"
    hang = f"(echo $BASHPID >>{own}; sleep 3600) &\necho $$ >>{own}\nsleep 3600\n"
    home = home_of(tmp_path, {".bash_profile": f"export X=1\ncase $- in *i*) {hang};; esac\n"})
    source = remote(program.parent, "login.py")
    text = source.read_text()
    assert "(True, 5.0)" in text
    source.write_text(text.replace("(True, 5.0)", "(True, 0.7)"))
    assert read(program, home, "bash")["X"] == "1"
    assert len(own.read_text().split()) == 2
    assert not [pid for pid in own.read_text().split() if Path(f"/proc/{pid}").exists()]


def test_what_start_files_leave_running_goes_with_the_reading(program: Path, tmp_path: Path) -> None:
    home = home_of(tmp_path, {".profile": "sleep 3600 & echo $! >~/pid; export X=1\n"})
    assert read(program, home, "dash")["X"] == "1"
    assert not Path(f"/proc/{(home / 'pid').read_text().strip()}").exists()


def test_a_reading_that_is_cut_ends_what_it_started(program: Path, tmp_path: Path) -> None:
    home = home_of(tmp_path, {".profile": "echo $$ >~/.pid; mv ~/.pid ~/pid; sleep 3600\n"})
    process = begun(program, home, "dash", "read")
    assert waited((home / "pid").exists)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + signal.SIGTERM
    assert not Path(f"/proc/{(home / 'pid').read_text().strip()}").exists()


CUT_AT_ONCE = """
import os, signal, sys
from gpubox.remote import login
fork = os.fork
def cut():
    pid = fork()
    if pid:
        print(pid, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    return pid
os.fork = cut
sys.exit(login.main(["read"]))
"""


def test_a_reading_that_is_cut_as_it_starts_a_shell_ends_that_too(tmp_path: Path) -> None:
    home = home_of(tmp_path, {".profile": "sleep 3600\n"})
    environment = {"HOME": str(home), "SHELL": "/bin/sh", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(
        [sys.executable, "-c", CUT_AT_ONCE], env=environment, capture_output=True, timeout=LIMIT, check=False
    )
    assert process.returncode == 128 + signal.SIGTERM, process.stderr
    assert not Path(f"/proc/{int(process.stdout)}").exists()


@pytest.mark.parametrize(
    ("shell", "profile", "words"),
    [
        ("dash", "exec cat", "became another program"),
        ("dash", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyy; done", "its start files"),
        ("/nowhere/sh", "", "/nowhere/sh cannot be run"),
    ],
)
def test_why_it_cannot_be_read_is_reported(
    program: Path, tmp_path: Path, shell: str, profile: str, words: str
) -> None:
    home = home_of(tmp_path, {".profile": profile + "\n"})
    text = program.read_text()
    program.write_text(text.replace("5.0", "0.5").replace("3.0", "0.5").replace("16 << 20", "1 << 20"))
    answer = json.loads(said(begun(program, home, shell, "read")))
    assert words in answer["words"]
    assert "environment" not in answer


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_runs_with_what_a_login_has_and_with_its_own_channel(
    program: Path, tmp_path: Path, shell: str
) -> None:
    home = home_of(tmp_path, SHELLS[needs(shell)])
    tool = home / ".local" / "bin" / "uv"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\necho "uv $1 $SSH_CONNECTION $TERM"; cat; exit 7\n')
    tool.chmod(0o755)
    process = begun(program, home, shell, "run", "exec%20uv%20--version", TERM="xterm")
    out, _ = process.communicate(b"stdin is mine", timeout=LIMIT)
    assert out.endswith(b"uv --version 1 2 3 4 xterm\nstdin is mine")
    assert process.returncode == 7


def test_a_command_runs_without_where_it_cannot_be_read(program: Path, tmp_path: Path) -> None:
    home = home_of(tmp_path, {".profile": "exec cat\n"})
    process = begun(program, home, "dash", "run", "echo%20there")
    out, err = process.communicate(b"", timeout=LIMIT)
    assert (out, process.returncode) == (b"there\n", 0)
    assert b"could not be read" in err
    assert b"--no-login" in err


@pytest.mark.parametrize(
    ("words", "found"), [(["uv"], True), (["uw"], False), (["./uv"], False), (["sh", "uv: not found"], False)]
)
def test_where_a_login_has_a_program_is_reported(
    program: Path, tmp_path: Path, words: Sequence[str], found: bool
) -> None:
    home = home_of(tmp_path, {**SHELLS["dash"], ".local/bin/uv": "#!/bin/sh\n"})
    (home / ".local/bin/uv").chmod(0o755)
    answer = json.loads(said(begun(program, home, "dash", "find", *(w.replace(" ", "%20") for w in words))))
    assert (f"{home}/.local/bin/uv" in answer["words"]) == found


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("sh: 1: uv: not found", "uv"),
        ("bash: line 1: uv: command not found", "uv"),
        ("zsh:1: command not found: uv", "uv"),
        ("fish: Unknown command: uv", "uv"),
        ("uv: Command not found.", "uv"),
        ("env: ‘uv’: No such file or directory", "uv"),
        ("/usr/bin/env: 'uv': No such file or directory", "uv"),
        ("sh: 1: ./uv: not found", "sh"),
        ("all is well", "sh"),
    ],
)
def test_shells_name_the_program_that_they_do_not_find(line: str, name: str, program: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, gpubox.remote.login as l; print(l.missing(['sh'], sys.argv[1]))", line],  # noqa: E501
        cwd=program.parent, capture_output=True, text=True, check=True, timeout=LIMIT,
    )  # fmt: skip
    assert done.stdout.strip() == name


def test_the_mark_is_not_in_the_command_line(program: Path, tmp_path: Path) -> None:
    """A shell that prints its commands would print it."""
    home = home_of(tmp_path, {".bash_profile": "set -v; set -x; exec 2>&1; export X=1\n"})
    begin = time.monotonic()
    assert read(program, home, "bash")["X"] == "1"
    assert time.monotonic() - begin < LIMIT
