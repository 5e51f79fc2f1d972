"""The environment of a login over OpenSSH's own sshd: jobs, commands, and what is reported without one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boxes.login import needs
from tests.commands.box_jobs import job_folders
from tests.components.desk import Desk
from tests.components.servers import USER, Server, sshd
from tests.hang import LIMIT
from tests.test_whole_program import ROOT

PYTHON = Path(sys.executable).resolve()
SECRET = "5ecret-of-a-login"
PROFILE = f"""\
echo Welcome to the box
echo on stderr too >&2
export PATH="$HOME/.local/bin:$PATH" HF_HOME={SECRET}
"""
PROFILES = {
    "sh": {".profile": PROFILE},
    "bash": {".bash_profile": ". ~/.bashrc\n", ".bashrc": f"case $- in *i*) ;; *) return;; esac\n{PROFILE}"},
    "fish": {".config/fish/config.fish": "if status is-login\necho Welcome\n"
             f"set -gx PATH $HOME/.local/bin $PATH; set -gx HF_HOME {SECRET}\nend\n"},
    "zsh": {".zprofile": PROFILE},
    "tcsh": {".login": f"echo Welcome\nsetenv PATH ${{HOME}}/.local/bin:$PATH\nsetenv HF_HOME {SECRET}\n"},
}  # fmt: skip


@dataclass
class Person:
    """Somebody at a terminal, whose box has a program where only a login finds it."""

    desk: Desk
    server: Server
    home: Path
    state: Path

    async def types(self, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Run the program; returns its exit status, stdout and stderr. `{box}` is the box."""
        own = self.desk.folder / "home"
        own.mkdir(exist_ok=True)
        environment = {
            "HOME": str(own),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT / 'tui'}:{ROOT}",
            "GPUBOX_TEST_FOLDER": str(self.desk.folder),
        }
        box = f"{USER}@127.0.0.1:{self.server.port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.over_ssh", *(word.format(box=box) for word in words),
            stdin=-1, stdout=-1, stderr=-1, env=environment,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), LIMIT)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    def on_disk(self) -> bytes:
        """Everything that records of jobs hold, but their logs."""
        files = [path for path in self.state.rglob("*") if path.is_file() and path.name != "log"]
        return b"".join(path.read_bytes() for path in files)


@asynccontextmanager
async def person(desk: Desk, tmp_path: Path, shell: str = "sh", profile: str = "") -> AsyncGenerator[Person]:
    home = tmp_path / "home"
    tool = home / ".local" / "bin" / "uv"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\necho "uv 1.0 $1 ${HF_HOME:-none}"; cat\n')
    tool.chmod(0o755)
    for name, text in PROFILES[needs(shell)].items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(profile or text)
    (desk.folder / "id_mine").symlink_to(desk.identity)
    with job_folders(tmp_path / "jobs") as variables:
        names = " ".join(f"{name}={value}" for name, value in variables.items())
        python = f"PATH={PYTHON.parent}:/usr/bin:/bin"
        async with sshd(
            tmp_path / "box", desk.public, home=home, shell=shell, extra=f"SetEnv {names} {python}"
        ) as server:
            desk.trust(server)
            yield Person(desk, server, home, tmp_path / "jobs" / "state")


@pytest.mark.parametrize("shell", PROFILES)
async def test_a_job_finds_what_a_login_finds_and_its_record_holds_nothing_of_that(
    desk: Desk, tmp_path: Path, shell: str
) -> None:
    async with person(desk, tmp_path, shell) as ada:
        status, out, err = await ada.types("run", "{box}", "--wait", "--", "uv", "--version")
        assert (status, out) == (0, f"uv 1.0 --version {SECRET}\n"), err
        assert ada.on_disk()
        assert SECRET.encode() not in ada.on_disk()
        assert b"HF_HOME" not in ada.on_disk()


@pytest.mark.parametrize("shell", PROFILES)
async def test_a_command_of_the_shell_finds_what_a_login_finds(
    desk: Desk, tmp_path: Path, shell: str
) -> None:
    async with person(desk, tmp_path, shell) as ada:
        for words in (["uv", "a 'b'"], ["uv \"a 'b'\""]):
            status, out, err = await ada.types("shell", "{box}", "--", *words, stdin=b"my stdin")
            # What start files print for each command, as tcsh's and fish's do, is the shell's own affair.
            assert (status, out[out.index("uv 1.0") :]) == (0, f"uv 1.0 a 'b' {SECRET}\nmy stdin"), err


async def test_without_a_login_a_hint_says_where_one_finds_it(desk: Desk, tmp_path: Path) -> None:
    async with person(desk, tmp_path) as ada:
        hint = f"A login shell finds uv in its PATH: {ada.home}/.local/bin/uv"
        status, out, err = await ada.types("run", "{box}", "--no-login", "--", "uv", "--version")
        assert status == 127
        assert f"could not be started: {hint}" in err
        job = out.strip()
        status, out, err = await ada.types("run", "{box}", "--no-login", "--wait", "--", "sh", "-c", "uv x")
        assert (status, hint in err) == (127, True)
        status, out, err = await ada.types("shell", "{box}", "--no-login", "--", "uv", "--version")
        assert (status, hint in err) == (127, True)
        assert "Run it without --no-login" in err
        status, out, err = await ada.types("shell", "{box}", "--no-login", "--", "uw")
        assert (status, "login shell" in err) == (127, False)
        status, out, err = await ada.types("jobs", "{box}", "show", job, "--json")
        assert json.loads(out)["job"]["spec"]["login"] is False
        status, out, err = await ada.types("jobs", "{box}", "rerun", job)
        status, out, err = await ada.types("jobs", "{box}", "show", "last", "--json")
        assert json.loads(out)["job"]["spec"]["login"] is False


async def test_a_login_that_hangs_delays_a_job_and_does_not_stop_it(desk: Desk, tmp_path: Path) -> None:
    async with person(desk, tmp_path, profile="sleep 3600\n") as ada:
        status, out, err = await ada.types("run", "{box}", "--wait", "--", "echo", "there")
        assert (status, out) == (0, "there\n")
        assert "could not be read" in err
        assert "took longer than 3 s" in err
        status, out, err = await ada.types("shell", "{box}", "--", "echo there")
        assert (status, out) == (0, "there\n")
        assert "could not be read" in err
