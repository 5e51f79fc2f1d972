"""Makes a key on this machine, lets it in on the box, and proves that it logs in.

Nothing is written, here or there, before the user has seen what changes on the box and said yes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gpubox.boxes.checks.authorized_keys import AuthorizedKeys, read_keys
from gpubox.boxes.checks.check import CannotLook, Check, Gathered, Outcome
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix import FileEdit, Fix, UndoableCommand
from gpubox.boxes.checks.fix_plan import Plan
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.key_here import key_here, shown
from gpubox.boxes.checks.login.facts import LoginFacts
from gpubox.boxes.checks.login.permissions import CHECK as PERMISSIONS
from gpubox.boxes.checks.run import judged
from gpubox.boxes.context import BoxContext
from gpubox.core.channels import LoginChannels
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.core.prompts import Asker, Question, QuestionKind
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from gpubox.ssh.new_key import LoginKey

_LOGIN = 20.0
"""Seconds for the login that proves a key."""


@dataclass(frozen=True, slots=True)
class RollOut:
    """A key on its way to the box, and the plan of the change that lets it in."""

    plan: Plan
    _context: BoxContext = field(repr=False)
    _key: LoginKey

    async def apply(self) -> str:
        """Write the key here, let it in there, and prove that it logs in, alone.

        Returns the id of the change in the journal, "" when the box had the key already. Raises GpuBoxError;
        when the key does not log in it stays where it is, for sshd may only ignore it.
        """
        from gpubox.ssh.new_key import write

        if self._key.private:
            await asyncio.to_thread(write, self._key)
        name = ""
        if self.plan.planned.changes or self.plan.planned.commands:
            name = await self._context.use(Fixes).apply(self.plan)
        await self._prove()
        return name

    async def _prove(self) -> None:
        channels = _login(self._context)
        file, box = shown(self._key.file), self._context.name
        try:
            async with asyncio.timeout(_LOGIN):
                await channels.log_in_by(self._key.file, self._key.passphrase)
        except (GpuBoxError, TimeoutError) as error:
            why = f"It took more than {_LOGIN:.0f} s" if isinstance(error, TimeoutError) else str(error)
            raise RemoteError(
                f"{file} does not log in yet",
                f"{why}. {await self._cause()}",
                f"The key stays here and in authorized_keys of {box}; `ssh -i {file} -v` says more",
            ) from error

    async def _cause(self) -> str:
        """Return why sshd may ignore the key, in a sentence without its full stop."""
        try:
            facts = (await self._context.use(Checks).facts(*PERMISSIONS.needs)).facts
        except GpuBoxError:
            facts = Gathered().facts
        found = judged(PERMISSIONS, facts)
        if found.outcome in (Outcome.FAILED, Outcome.WARNING):
            return f"{found.text}; on the box: {found.step}"
        return (
            "sshd ignores keys when others can write the home, ~/.ssh or authorized_keys, and it may ask for "
            "more than a key"
        )

    async def offer_entry(self, asker: Asker) -> tuple[str, bool]:
        """Offer an entry for ~/.ssh/config, which a yes adds; return its lines and whether they were added.

        No lines are returned when the configuration has an entry for the box. Raises ConfigError.
        """
        from gpubox.ssh.config_entry import add, entry

        name = self._context.name
        address = _login(self._context).address
        new = await asyncio.to_thread(entry, name, address, self._key.file)
        if new is None:
            return "", False
        lines = "\n".join(clean(line, 200) for line in new.text.splitlines())
        text = f"With these lines at its end, `ssh` finds the key:\n\n{lines}"
        question = Question(name, f"Add an entry to {shown(new.file)}?", text, QuestionKind.YES_NO)
        if await asker.ask(question) != "yes":
            return new.text, False
        await asyncio.to_thread(add, new)
        return new.text, True


async def roll_out(
    context: BoxContext, check: Check, asker: Asker | None, file: Path | None = None
) -> RollOut:
    """Return what lets a key of this machine in: a new one, or the one that is there; changes nothing.

    The key is `file`, by default the one that ssh looks for by itself. A passphrase is asked for; without an
    asker a new key has none, for a plan that is only shown. Raises Cancelled, ConfigError when the key that
    is there cannot be used, RemoteError, and Dropped.
    """
    from gpubox.ssh import new_key

    _login(context)
    place = file or new_key.usual_file()
    facts = await _facts(context)
    there = await read_keys(context, facts)
    key = await key_here(context.name, place, asker)
    plan = await context.use(Fixes).plan(check, _fix(key, there, facts))
    verify(plan, there, key.line)
    return RollOut(plan, context, key)


def verify(plan: Plan, there: AuthorizedKeys, line: str) -> None:
    """Raise RemoteError unless a plan keeps all of authorized_keys that was read, and adds one line."""
    texts = [
        change for change in plan.planned.changes if change.before is not None or change.after is not None
    ]
    expected = [] if _is_there(there, line) else [(there.text, there.with_line(line))]
    if [(change.before or "", change.after) for change in texts] != expected:
        raise RemoteError(
            "authorized_keys changed meanwhile",
            f"{clean(there.path, 200)} is not as it was read",
            "Try again",
        )


def _is_there(there: AuthorizedKeys, line: str) -> bool:
    return there.holds(line.split()[1])


def _fix(key: LoginKey, there: AuthorizedKeys, facts: LoginFacts | None) -> Fix:
    """Return the change of the box."""
    commands: tuple[UndoableCommand, ...] = ()
    folder = there.path.rpartition("/")[0]
    text = there.text if _is_there(there, key.line) else there.with_line(key.line)
    edits = [FileEdit(there.path, text, 0o600)]
    if there.folder_there and folder.endswith("/.ssh"):
        edits.append(FileEdit(folder, mode=0o700))
    elif there.uid == 0 and not there.folder_there:  # fixes of root make folders that all may read
        commands = (UndoableCommand(("chmod", "700", folder), ()),)
    if there.home:
        edits.append(FileEdit(there.home, mode=there.home_mode))
    return Fix(
        "Log in by a key",
        _cost(key, there, facts),
        needs_root=False,
        files=tuple(edits),
        commands=commands,
        new_key=True,
    )


def _cost(key: LoginKey, there: AuthorizedKeys, facts: LoginFacts | None) -> str:
    """Return what happens to which file, here and there."""
    file = shown(key.file)
    if not key.private:
        parts = [f"The key {file} of this machine is used"]
    elif key.passphrase:
        parts = [f"A new key {file} is made on this machine, locked by your passphrase"]
    else:
        parts = [f"A new key {file} is made on this machine, without a passphrase"]
    known = _is_there(there, key.line)
    parts.append("the box has it already" if known else "whoever holds it logs in without your password")
    text = ", and ".join(parts) + ". A login by it is tried then."
    if facts is not None and facts.file_system.startswith("nfs"):
        text += " The home comes over the network: the key counts wherever it is mounted."
    return text


async def _facts(context: BoxContext) -> LoginFacts | None:
    try:
        return (await context.use(Checks).facts(LoginFacts)).of(LoginFacts)
    except CannotLook:
        return None


def _login(context: BoxContext) -> LoginChannels:
    channels = connected(context.channels, context.name)
    if not isinstance(channels, LoginChannels):
        raise RemoteError("This box has no login", "Nobody logs in to it over the network")
    return channels
