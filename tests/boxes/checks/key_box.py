"""A box with one key of somebody else, for a key that is let in; there is no machine behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Never

import msgspec
import pytest

from gpubox.boxes.checks.authorized_keys import AuthorizedKeys
from gpubox.boxes.checks.check import Check, Facts, Gathered, ok
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.fix_plan import Change, Plan, Planned, PlannedCommand
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.login.facts import KeyFile, LoginFacts, PathMode
from gpubox.boxes.context import BoxContext
from gpubox.core.channels import LoginAddress, LoginMethod
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.core.prompts import Question
from gpubox.core.shell import CommandResult
from gpubox.local.shell import end_process
from gpubox.ssh import openssh_config
from tests.boxes.scripted import ScriptedShell, context
from tests.hang import LIMIT

CHECK = Check("login.from-here", "This machine logs in by a key", "Why.", "ssh", (), lambda _: ok(""))
BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIM7e2yTNiiKdTO05V2GfDDsnLl/jQl4wfWiX4t6vDxk7"
LINE = f"ssh-ed25519 {BLOB} ada@laptop"
OTHER = "ssh-rsa AAAAB3NzaC1yc2E= bob@desk"
HOME = "/home/ada"
FILE = f"{HOME}/.ssh/authorized_keys"
THERE = AuthorizedKeys(FILE, f"{OTHER}\n", folder_there=True, uid=1000)


def path(name: str, mode: int, *, uid: int = 1000, own_group: bool = False) -> PathMode:
    return PathMode(name, mode, uid, "ada", own_group=own_group)


def login(*files: KeyFile, **more: object) -> LoginFacts:
    return msgspec.structs.replace(LoginFacts(user="ada", uid=1000, home=HOME, files=files), **more)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of this machine."""
    home = tmp_path / "mine"
    home.mkdir()
    monkeypatch.setattr(openssh_config, "home", lambda: home)
    return home


class Here(ScriptedShell):
    """Runs commands on this machine, in a home of the test, after what a login shell says by itself."""

    def __init__(self, home: Path, greeting: bytes = b"Welcome\n") -> None:
        super().__init__()
        self._home, self._greeting = home, greeting

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        self.commands.append(command)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command),
            stdin=-1,
            stdout=-1,
            stderr=-1,
            env={**os.environ, "HOME": str(self._home)},
            start_new_session=True,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), LIMIT)
        finally:
            if process.returncode is None:  # the app of a test ends while a look is under way
                await end_process(process, gently=False)
        return CommandResult(process.returncode, None, self._greeting + out, err)

    def stream(self, command: str) -> Never:
        raise RemoteError("No channel", "The box opens none")


class Given(Checks):
    """Checks whose facts are given."""

    def __init__(self, context: BoxContext, facts: Sequence[Facts] = ()) -> None:
        super().__init__(context)
        self.given = facts

    async def facts(self, *kinds: type[Facts]) -> Gathered:
        return Gathered({type(one): one for one in self.given if type(one) in kinds})


class Planning(Fixes):
    """Fixes of a box whose authorized_keys is as it was read."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.applied: list[Fix] = []
        self.before: str | None = f"{OTHER}\n"

    async def plan(self, check: Check, fix: Fix) -> Plan:
        texts = [Change(one.path, self.before, one.text, 0o644, one.mode) for one in fix.files if one.text]
        modes = [Change(one.path, None, None, 0o755, one.mode) for one in fix.files if one.text is None]
        commands = tuple(PlannedCommand(one.do, one.undo) for one in fix.commands)
        return Plan(check, fix, "0123", Planned("token", (*texts, *modes), commands))

    async def apply(self, plan: Plan) -> str:
        self.applied.append(plan.fix)
        return plan.id


class FakeChannels:
    """Channels that note by which key somebody logged in."""

    def __init__(self, error: GpuBoxError | None) -> None:
        self.error = error
        self.came: list[tuple[Path, str]] = []
        self.login = LoginMethod(("publickey", "password"))
        self.address = LoginAddress("10.0.0.7", 22, "ada")

    def refuse(self, *_: object, **__: object) -> Never:
        raise RemoteError("No channel", "The box opens none")

    forward = terminal = pipes = graphical = refuse

    async def log_in_again(self, way: object = None) -> None:
        """Nothing needs it here."""

    async def log_in_by(self, file: Path, passphrase: str) -> None:
        if self.error is not None:
            raise self.error
        self.came.append((file, passphrase))
        self.login = replace(self.login, proved="ssh-ed25519")


class Asked:
    """Answers one question after the other."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.questions: list[Question] = []

    async def ask(self, question: Question) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0)


def box(
    home: Path, *facts: Facts, error: GpuBoxError | None = None
) -> tuple[BoxContext, Planning, FakeChannels]:
    """A box whose home is a folder of this machine, with one key of somebody else."""
    made = context("xub")
    return made, *provided(made, home, *facts, error=error)


def provided(
    made: BoxContext, home: Path, *facts: Facts, error: GpuBoxError | None = None
) -> tuple[Planning, FakeChannels]:
    """Give a box such a home."""
    (home / ".ssh").mkdir()
    (home / ".ssh" / "authorized_keys").write_text(f"{OTHER}\n")
    made.shell.put(Here(home))
    channels, fixes = FakeChannels(error), Planning(made)
    made.channels.put(channels)
    made.provide(Checks, Given(made, facts))
    made.provide(Fixes, fixes)
    return fixes, channels


def home_of(tmp_path: Path) -> Path:
    home = tmp_path / "a home"
    home.mkdir()
    return home
