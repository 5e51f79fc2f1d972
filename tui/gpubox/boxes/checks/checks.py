"""The checks of one box: one call gathers the facts of all, and results appear as facts come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec

from gpubox.agent import bundle
from gpubox.agent.bundle import Program
from gpubox.agent.program_pipes import ProgramPipes, piped
from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import CannotLook, Check, Facts, Gathered, LocalFacts, Result
from gpubox.boxes.checks.run import Judged, Judging, needed
from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean

_LONGEST = 4 << 20
"""Most bytes of the facts of one section."""
_PATIENCE = 45.0
"""Seconds for the facts of the box: it takes 3 at most, and a slow link some for the program."""


class _Line(msgspec.Struct, frozen=True):
    section: str
    facts: msgspec.Raw = msgspec.Raw()
    error: str = ""


_LINES = msgspec.json.Decoder(_Line)


class Checks(Feature):
    """The checks of one box, and what they came to."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.results: Feed[tuple[Judged, ...]] = Feed(())
        """What was judged at the last look so far, in the order of the table."""
        self._known: dict[str, Result] = {}

    @property
    def program(self) -> Program:
        """The program on the box."""
        return bundle.program("checks", "gpubox.remote.checks.main")

    async def look(self, chosen: Sequence[Check] | None = None) -> tuple[Judged, ...]:
        """Look at the box, and return what the chosen checks came to; default all but trials.

        With Sudo unlocked facts are gathered as root, who sees more. Checks that the chosen ones depend on
        are looked at as well. Raises Dropped when the link ends first,
        NoPython, and RemoteError when the box does not run the program.
        """
        every = all_checks()
        asked = needed([one for one in every if not one.trial] if chosen is None else chosen, every)
        judging = Judging(asked)
        self.results.put(())
        self._publish(asked, judging.judge())
        here, there = _places(judging.missing)
        why = "The box did not send the facts"
        try:
            async with asyncio.timeout(_PATIENCE):
                async for kind, facts in self._remote(there):
                    self._publish(asked, judging.take(kind, facts))
        except TimeoutError:
            why = f"The box did not answer within {_PATIENCE:.0f} seconds"
        for kind in here:  # one after the other: a link may allow only two sessions, and the probe has one
            self._publish(asked, judging.take(kind, await self._local(kind)))
        self._publish(asked, judging.give_up(why))
        return self.results.value

    async def facts(self, *kinds: type[Facts]) -> Gathered:
        """Gather facts without judging anything; raises as `look` does."""
        here, there = _places(kinds)
        found = {kind: facts async for kind, facts in self._remote(there)}
        return Gathered({**found, **{kind: await self._local(kind) for kind in here}})

    def _publish(self, asked: Sequence[Check], found: Iterable[tuple[Check, Result]]) -> None:
        order = {check.id: position for position, check in enumerate(asked)}
        fresh = [Judged(check, result, self._known.get(check.id)) for check, result in found]
        for one in fresh:
            self._known[one.check.id] = one.result
        if fresh:
            rows = sorted((*self.results.value, *fresh), key=lambda one: order.get(one.check.id, -1))
            self.results.put(tuple(rows))

    async def _local(self, kind: type[LocalFacts]) -> Facts | str:
        try:
            async with asyncio.timeout(kind.SECONDS):
                return await kind.gather(self._context)
        except CannotLook as reason:
            return str(reason)
        except GpuBoxError as error:
            return str(error)
        except TimeoutError:
            return f"This machine found nothing out in {kind.SECONDS:.0f} seconds"

    async def _remote(self, kinds: dict[str, type[Facts]]) -> AsyncIterator[tuple[type[Facts], Facts | str]]:
        """Yield facts of the box, or why there are none, as they come in."""
        if not kinds:
            return
        async with self._running(tuple(kinds)) as running:
            async for line in running.lines(_LONGEST):
                read = _read(line, kinds)
                if read is not None:
                    yield read

    def _running(self, sections: tuple[str, ...]) -> AbstractAsyncContextManager[ProgramPipes]:
        context = self._context
        sudo = context.use(Sudo)
        if sudo.allowed:
            return sudo.piped(self.program, sections)
        channels = connected(context.channels, context.name)
        return piped(channels, self.program, sections, context.python, context.environment or {})


def _places(kinds: Iterable[type[Facts]]) -> tuple[list[type[LocalFacts]], dict[str, type[Facts]]]:
    """Return the facts that this machine gathers, and by their sections those that the box does."""
    here = [kind for kind in kinds if issubclass(kind, LocalFacts)]
    return here, {kind.SECTION: kind for kind in kinds if not issubclass(kind, LocalFacts)}


def _read(line: bytes, kinds: dict[str, type[Facts]]) -> tuple[type[Facts], Facts | str] | None:
    """Return the kind and the facts of a line; None for one that is not an answer."""
    try:
        row = decode_json(line, _LINES)
    except Unreadable:
        return None
    kind = kinds.get(row.section)
    if kind is None:
        return None
    if row.error:
        return kind, f"The box could not look: {clean(row.error, 200)}"
    try:
        return kind, decode_json(row.facts, msgspec.json.Decoder(kind))
    except Unreadable as error:
        return kind, f"The box sent something that is not its {row.section} facts: {error}"
