"""A fix on its way, from the password over the plan to the change; and the one that may be undone."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpubox.boxes.checks.check import Check
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.fix_plan import Plan
from gpubox.boxes.checks.fixes import Fixes, JournalEntry
from gpubox.boxes.checks.new_key import RollOut, roll_out
from gpubox.boxes.context import BoxContext
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import RemoteError, ToolMissing
from gpubox.core.prompts import Asker
from gpubox.core.sanitize import clean


@dataclass(frozen=True, slots=True)
class PreparedFix:
    """A fix that was planned and may be made after a yes."""

    plan: Plan
    _fixes: Fixes = field(repr=False)
    _key: RollOut | None = None
    """The new key that it is about, if any."""

    async def apply(self) -> str:
        """Make the change, and return the id by which it is undone, "" when there is nothing to undo.

        Raises as Fixes.apply and RollOut.apply.
        """
        done = await (self._key.apply() if self._key else self._fixes.apply(self.plan))
        return done if self.plan.fix.undoable else ""

    async def offer_entry(self, asker: Asker) -> tuple[str, bool]:
        """Offer an entry for ~/.ssh/config after a new key, as RollOut.offer_entry; else return no lines."""
        return await self._key.offer_entry(asker) if self._key else ("", False)


async def prepare(
    context: BoxContext, check: Check, fix: Fix, asker: Asker, *, dry_run: bool = False
) -> PreparedFix:
    """Ask for the passwords that a fix needs, and return it planned; changes nothing.

    A dry run asks for no passphrase of a new key. Raises as Sudo.unlock, Fixes.plan and roll_out.
    """
    if fix.needs_root:
        await context.use(Sudo).unlock(asker, "The change is made by root.")
    fixes = context.use(Fixes)
    if fix.new_key:
        key = await roll_out(context, check, None if dry_run else asker)
        return PreparedFix(key.plan, fixes, key)
    return PreparedFix(await fixes.plan(check, fix), fixes)


async def last_fix(context: BoxContext, name: str, asker: Asker) -> JournalEntry:
    """Return the fix with an id, or the last one of a check, that can be undone.

    It is looked for in the user's journal, and then in root's. Raises RemoteError when there is none, and
    as Sudo.unlock.
    """
    fixes = context.use(Fixes)
    found = _named(await fixes.entries(root=False), name)
    if found is None:
        try:
            await context.use(Sudo).unlock(asker, "The journal of system changes is root's.")
        except ToolMissing:
            raise _nothing(name) from None
        found = _named(await fixes.entries(root=True), name)
    if found is None:
        raise _nothing(name)
    return found


def _named(entries: list[JournalEntry], name: str) -> JournalEntry | None:
    return next((entry for entry in entries if entry.undoable and name in (entry.id, entry.check)), None)


def _nothing(name: str) -> RemoteError:
    text = f"No fix of {clean(name, 64)} that can be undone is in the journal of the box"
    return RemoteError("Nothing to undo", text)
