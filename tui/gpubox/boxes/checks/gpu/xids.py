"""What Xid errors the kernel log has since the boot, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gpubox.boxes.checks.check import Check, Gathered, Outcome, Result, ok, unknown
from gpubox.boxes.checks.gpu.cards import cards_of, counted, optional
from gpubox.boxes.checks.gpu.facts import GpuFacts, KernelFacts, XidCount
from gpubox.boxes.checks.gpu.steps import ACTIONS, action_step, asks_for
from gpubox.common import units
from gpubox.common.xid import GRAVE, HARMLESS_SWITCH_CODES, STEPS, UNLISTED, XIDS, Step
from gpubox.core.sanitize import clean

_RECENT = 86400.0
"""A grave code that is older may have been cured by a reset since, which the log does not say."""
_MANY = 5
"""Bursts of one grave code on one card in a day after which repairs do not help any more."""
_UNTIL_REBOOT = (54, 79)
"""Codes that no reset cures."""
_REPEATS = (13, 31)
"""Codes of programs that also come from a card that begins to fail."""
_ORDER = (Outcome.FAILED, Outcome.WARNING, Outcome.HINT, Outcome.OK)


@dataclass(frozen=True, slots=True)
class _Verdict:
    outcome: Outcome
    text: str
    step: str
    row: XidCount


def _judge(gathered: Gathered) -> Result:
    kernel = gathered.of(KernelFacts)
    if not kernel.source:
        return unknown(f"The kernel log cannot be read: {clean(kernel.why, 160)}", "sudo dmesg | grep Xid")
    gpus = optional(gathered, GpuFacts)
    asked = {_place(gpu.address): gpu.recovery for gpu in gpus.smi.gpus} if gpus else {}
    verdicts = [_verdict(row, kernel, asked.get(_place(row.address), "")) for row in kernel.xids]
    verdicts.sort(key=lambda verdict: (_ORDER.index(verdict.outcome), -(verdict.row.last or 0.0)))
    if not verdicts:
        return ok(f"None {_since(kernel)}", value="none")
    worst = verdicts[0]
    names = {_place(card.address): card.name for card in cards_of(gpus)} if gpus else {}
    text = f"{worst.text}{_on(worst.row, names)}{_when(worst.row, kernel)}"
    codes = list(dict.fromkeys(str(verdict.row.code) for verdict in verdicts))
    lines = tuple(f"{v.text}{_on(v.row, names)}{_when(v.row, kernel)}" for v in verdicts[:12])
    step = worst.step if worst.outcome is not Outcome.OK else ""
    return Result(
        worst.outcome, text, step, ", ".join(codes[:8]), lines if len(lines) > 1 else _said(worst.row)
    )


def _verdict(row: XidCount, kernel: KernelFacts, asked: str) -> _Verdict:
    """Return what one code of one card comes to; `asked` is what the driver asks for on that card now."""
    if row.kind == "sxid":
        return _switch(row)
    meaning = XIDS.get(row.code, UNLISTED)
    text = f"Xid {row.code}: {meaning.words}"
    step: Step = meaning.step
    others = [one for one in kernel.xids if one.kind == "xid" and _card(one) == _card(row)]
    if row.code == 154:
        return _action(row, asked)
    if row.code == 45 and not any(one.code not in (45, 154) for one in others):
        return _Verdict(
            Outcome.HINT,
            text,
            "One alone comes when a program is ended; many may mean the fabric manager",
            row,
        )
    if step in GRAVE:
        return _grave(row, kernel, text, step)
    if row.code in _REPEATS:
        return _repeated(row, kernel, text)
    if meaning is UNLISTED:
        return _Verdict(Outcome.WARNING, text, STEPS[step], row)
    if row.code in (92, 94):
        return _Verdict(
            Outcome.WARNING, text, "Watch whether it grows: nvidia-smi -q -d ECC,ROW_REMAPPER", row
        )
    outcome = Outcome.OK if step == "follow" or row.code == 43 else Outcome.HINT
    return _Verdict(outcome, text, STEPS[step], row)


def _card(row: XidCount) -> str:
    """Return the address of a card, without the MIG instance that may follow it."""
    return row.address.partition(" ")[0]


def _grave(row: XidCount, kernel: KernelFacts, text: str, step: Step) -> _Verdict:
    """Return what a code comes to after which the card needs something."""
    if row.bursts_day >= _MANY:
        more = f"{text}, {row.bursts_day} times in a day"
        return _Verdict(
            Outcome.FAILED,
            more,
            "The card has to be looked at: sudo nvidia-bug-report.sh, and its maker",
            row,
        )
    last = _last_action(_card(row), kernel)
    if last is not None and last[0] == "none" and (row.last or 0.0) <= last[1]:
        return _Verdict(Outcome.WARNING, f"{text}; the driver has recovered", STEPS["reset later"], row)
    recent = kernel.time is None or row.last is None or kernel.time - row.last < _RECENT
    outcome = Outcome.FAILED if recent or row.code in _UNTIL_REBOOT else Outcome.WARNING
    return _Verdict(outcome, text, STEPS[step], row)


def _repeated(row: XidCount, kernel: KernelFacts, text: str) -> _Verdict:
    """Judge whether the program or the card is at fault: the same on several cards is the program."""
    elsewhere = any(one.code == row.code and _card(one) != _card(row) for one in kernel.xids)
    if row.bursts > 1 and len(row.programs) > 1 and not elsewhere:
        return _Verdict(
            Outcome.WARNING,
            f"{text.replace('your program', 'this card, maybe')}, with "
            f"{counted([clean(p, 20) for p in row.programs])}",
            "Several programs failed on this card alone: run `dcgmi diag -r 2` when no job runs, or "
            "compare with another",
            row,
        )
    return _Verdict(Outcome.HINT, text, STEPS["app"], row)


def _action(row: XidCount, asked: str) -> _Verdict:
    """Return what the driver itself asks for; the last word counts, since it may also take it back.

    What it says now, by nvidia-smi, is later than anything in the log.
    """
    found = re.search(r"to \S+ \(([^)]*)\)", row.text)
    words = asked or (found.group(1) if found else "")
    if ACTIONS.get(words.lower()) == "none":
        return _Verdict(Outcome.OK, "Xid 154: the driver asks for nothing any more", "", row)
    text = f"Xid 154: {asks_for(words)}"
    if asked:
        return _Verdict(Outcome.HINT, text, "gpu.recovery says what to do", row)
    return _Verdict(Outcome.FAILED, text, action_step(words), row)


def _last_action(address: str, kernel: KernelFacts) -> tuple[str, float] | None:
    """Return the last action that the driver asked for on a card, in lower case, and when."""
    for row in kernel.xids:
        found = re.search(r"to \S+ \(([^)]*)\)", row.text)
        if row.code == 154 and _card(row) == address and found:
            return found.group(1).lower(), row.last or 0.0
    return None


def _switch(row: XidCount) -> _Verdict:
    """Judge a code of an NVSwitch."""
    text = f"SXid {row.code} of an NVSwitch"
    if row.code in HARMLESS_SWITCH_CODES:
        return _Verdict(Outcome.HINT, f"{text}: a corrected error", STEPS["none"], row)
    step = "sudo systemctl restart nvidia-fabricmanager, which ends GPU programs; if it comes again, reboot"
    return _Verdict(Outcome.FAILED, f"{text}: {clean(row.text, 60)}", step, row)


def _place(address: str) -> str:
    """Return domain, bus and device of an address, which is written with and without a function."""
    return address.partition(" ")[0].partition(".")[0][-10:].lower()


def _on(row: XidCount, names: dict[str, str]) -> str:
    name = names.get(_place(row.address), "")
    return f", on {name + ' ' if name else ''}{clean(row.address, 40)}"


def _when(row: XidCount, kernel: KernelFacts) -> str:
    times = f", {row.count} times" if row.count > 1 else ""
    if kernel.time is None or row.last is None:
        return times
    return f"{times}, {'last ' if times else ''}{units.duration(max(0.0, kernel.time - row.last))} ago"


def _said(row: XidCount) -> tuple[str, ...]:
    programs: Sequence[str] = [clean(name, 30) for name in row.programs]
    return tuple(filter(None, (clean(row.text, 160), f"Programs: {counted(programs)}" if programs else "")))


def _since(kernel: KernelFacts) -> str:
    if kernel.whole or kernel.time is None or kernel.begins is None:
        return "since the boot" if kernel.whole else "in the log, whose beginning is lost"
    return f"in the log, which goes back {units.duration(max(0.0, kernel.time - kernel.begins))}"


CHECK = Check(
    id="gpu.xids",
    title="The driver reported no Xid errors",
    why="The driver writes every error of a GPU to the kernel log, as `Xid` with a number. Many are the "
    "fault of the program that ran: 13 and 31 are wrong indexes in a kernel. Others mean that the card has "
    "to be reset, that a cable is loose, or that it is dying. The same program failing on two cards points "
    "to the program; different programs on one card point to the card. From driver 570 on, Xid 154 has the "
    "driver's own word on what to do.",
    command="sudo dmesg -T | grep -E 'NVRM: Xid|SXid'",
    needs=(GpuFacts, KernelFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
