"""Fixes on one box: planned, applied, guarded against a lock-out, kept in a journal there, and undone."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from secrets import token_hex
from typing import TypeVar

import msgspec

from gpubox.agent import bundle, call
from gpubox.agent.bundle import Program
from gpubox.agent.call import Wording
from gpubox.agent.program_pipes import ProgramPipes, piped
from gpubox.boxes.checks.check import CannotLook, Check
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.fix_plan import Plan, Planned
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.rehearsal import carried
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.sudo import Sudo
from gpubox.core.bounds import Moment, Number
from gpubox.core.channels import Channels, LoginChannels
from gpubox.core.errors import GpuBoxError, RemoteError, Unreachable
from gpubox.core.feed import Feed
from gpubox.core.retry import connected

T = TypeVar("T")

GUARD = 30
"""Seconds after which the box takes a change of sshd back, unless a new login has worked."""
_PATIENCE = 320.0
"""Seconds for one request: the box allows 300 for its commands."""
_LOGIN = 15.0
"""Seconds for a login that proves a change."""
_DEAF, _AGAIN = 5.0, 0.2
"""Seconds that an sshd may take to listen again after a reload, and between two tries meanwhile."""
_LOGIN_CHECKS = "login."
"""How the ids of checks begin whose fixes let keys in."""
_OTHER_WAYS = ("passwordauthentication", "kbdinteractiveauthentication")
_WORDING = Wording("The fix was not made", "an answer about fixes", "Look at the box: `gpubox-tui check BOX`")


class Applied(msgspec.Struct, frozen=True):
    """What came of a fix."""

    id: str
    state: str
    seconds: Number = 0


class JournalEntry(msgspec.Struct, frozen=True):
    """A fix in the journal of the box."""

    id: str
    check: str = ""
    title: str = ""
    state: str = ""
    """`applied`, `guarded`, `kept`, `undone` or `rolled-back`; `done` where there is nothing to undo."""
    time: Moment = 0
    paths: tuple[str, ...] = ()
    seconds_left: Number | None = None
    sshd: bool = False
    """Whether it changed options of sshd."""
    root: bool = False
    """Whether it is in the journal of root."""

    @property
    def undoable(self) -> bool:
        """Whether there is something to undo."""
        return self.state in ("applied", "guarded", "kept")


class _Entries(msgspec.Struct, frozen=True):
    entries: tuple[JournalEntry, ...] = ()


class _Candidate(msgspec.Struct, frozen=True):
    candidate: str


class _Anything(msgspec.Struct, frozen=True):
    state: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """A change that the box takes back by itself unless it is proved first."""

    title: str
    until: float
    """By time.monotonic() of this machine."""

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self.until - time.monotonic())


class Fixes(Feature):
    """Makes and undoes the changes that checks propose."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.guard: Feed[Guard | None] = Feed(None)
        """The change that waits for its proof, if any."""
        self._sudo = context.use(Sudo)

    @property
    def notice(self) -> str:
        """How long a change of sshd waits for its proof; empty when none does."""
        guard = self.guard.value
        return (
            ""
            if guard is None
            else f"Testing a new login; the box takes this back in {guard.left:.0f} s: {guard.title}"
        )

    @property
    def program(self) -> Program:
        """The program on the box."""
        return bundle.program("fixes", "gpubox.remote.fixes.main")

    async def plan(self, check: Check, fix: Fix) -> Plan:
        """Return what a fix would change; changes nothing. Sudo must be unlocked for one that needs root.

        Raises RemoteError with the words of the box, and everything that the program's start raises.
        """
        request = _request(check, fix, token_hex(6))
        planned = await self._ask("plan", request, Planned, root=fix.needs_root)
        return Plan(check, fix, str(request["id"]), planned)

    async def apply(self, plan: Plan) -> str:
        """Make the change, and return its id in the journal.

        A change of sshd is rehearsed first: a login through a second sshd with the new configuration, over
        the link. Then it is made, and a new login has to work before the box keeps it. Raises RemoteError
        when anything is refused; then the box is as it was, or takes the change back in a few seconds.
        """
        request = {**_request(plan.check, plan.fix, plan.id), "token": plan.planned.token}
        if plan.fix.sshd is None:
            done = await self._ask("apply", request, Applied, root=plan.fix.needs_root)
            return done.id
        await self._rehearse(request)
        done = await self._ask("apply", {**request, "seconds": GUARD}, Applied, root=True)
        if done.state != "guarded":
            return done.id
        self.guard.put(Guard(plan.fix.title, time.monotonic() + done.seconds))
        try:
            await self._log_in("The box takes the change back by itself")
            await self._ask("keep", {"id": done.id}, _Anything, root=True)
        finally:
            self.guard.put(None)
        return done.id

    async def undo(self, entry: JournalEntry) -> None:
        """Restore what a fix changed, byte by byte; for sshd that is rehearsed, and proved by a new login.

        Raises RemoteError when something else has changed it since, and when it would take the last way in.
        """
        proved = isinstance(self._channels, LoginChannels) and entry.sshd
        if entry.check.startswith(_LOGIN_CHECKS):
            await self._keeps_a_way_in()
        if proved:
            await self._rehearse({"undo": entry.id})
        await self._ask("undo", {"id": entry.id}, _Anything, root=entry.root)
        if proved:
            await self._log_in("The change is undone; keep this login open until a new one works")

    async def _keeps_a_way_in(self) -> None:
        """Raise RemoteError when the box takes keys only, or may do so: none might let anybody in then."""
        gathered = await self._context.use(Checks).facts(SshdFacts, LinkLogin)
        login = gathered.of(LinkLogin)
        try:
            sshd = gathered.of(SshdFacts)
            shut = all(sshd.value(keyword) == "no" for keyword in _OTHER_WAYS)
        except CannotLook:
            shut = login.needed and not login.guessable
        if shut:
            raise RemoteError(
                "It would lock you out",
                "The box takes keys only, and this may close the way in of yours",
                "First undo what closed passwords: `gpubox-tui check BOX --undo sshd.passwords`",
            )

    async def entries(self, *, root: bool) -> list[JournalEntry]:
        """Return the journal of the user, or that of root, newest first."""
        found = await self._ask("list", {}, _Entries, root=root)
        return [msgspec.structs.replace(entry, root=root) for entry in found.entries]

    async def _rehearse(self, request: dict[str, object]) -> None:
        """Log in through an sshd that has the configuration of afterwards, before anything is changed."""
        candidate = (await self._ask("rehearse", request, _Candidate, root=True)).candidate
        try:
            async with (
                self._sudo.piped(self.program, ("serve", candidate)) as serving,
                carried(serving) as way,
            ):
                await self._log_in("Nothing was changed", way)
        finally:
            await self._ask("forget", {"candidate": candidate}, _Anything, root=True)

    @property
    def _channels(self) -> Channels:
        return connected(self._context.channels, self._context.name)

    async def _log_in(self, consequence: str, way: socket.socket | None = None) -> None:
        channels = self._channels
        if not isinstance(channels, LoginChannels):
            raise RemoteError("This box has no login", "Its sshd is not what you came in by", consequence)
        try:
            async with asyncio.timeout(_LOGIN):
                await _proved(channels, way)
        except TimeoutError:
            raise RemoteError(
                "A new login failed", f"It took more than {_LOGIN:.0f} s", consequence
            ) from None
        except GpuBoxError as error:
            raise RemoteError("A new login failed", str(error), consequence) from error

    async def _ask(self, verb: str, request: object, answer: type[T], *, root: bool) -> T:
        async with asyncio.timeout(_PATIENCE), self._running((verb,), root=root) as running:
            await running.write(call.encode(request))
            running.end()
            data = b""
            while piece := await running.read():
                data += piece
        return call.decode(data, answer, _WORDING)

    def _running(self, words: Sequence[str], *, root: bool) -> AbstractAsyncContextManager[ProgramPipes]:
        context = self._context
        if root:
            return self._sudo.piped(self.program, tuple(words))
        return piped(self._channels, self.program, tuple(words), context.python, context.environment or {})


async def _proved(channels: LoginChannels, way: socket.socket | None) -> None:
    """Log in once more; an sshd that reads its configuration again listens to nobody for a moment."""
    end = time.monotonic() + _DEAF
    while True:
        try:
            return await channels.log_in_again(way)
        except Unreachable:
            if way is not None or time.monotonic() > end:
                raise
        await asyncio.sleep(_AGAIN)


def _request(check: Check, fix: Fix, name: str) -> dict[str, object]:
    return {
        "id": name,
        "check": check.id,
        "title": fix.title,
        "files": fix.files,
        "sshd": fix.sshd,
        "commands": fix.commands,
    }
