"""The alerts about Xid errors, which the driver reports once."""

from __future__ import annotations

from typing import List

from gpubox.common.metrics import GPU
from gpubox.common.rules.alerts.alert_rule import UNTIL_ACKNOWLEDGED, Fires, Observation
from gpubox.common.rules.alerts.happening import (
    ACKNOWLEDGED,
    ONE_HOUR,
    SAVE_REPORT,
    Stays,
    boot_of,
    happening,
)
from gpubox.common.severity import Severity
from gpubox.common.xid import GRAVE, UNLISTED, XIDS

DAY = 86400.0
BURST = 180.0
"""Seconds within which Xid errors count as one: a fault is often reported several times."""
REPEATS = 5
"""Errors of a card in a day from which it is not to be trusted."""
SAME = (13, 31)
"""Codes that are a program's fault, unless they come again on the same card only."""
_REMEMBERED = 64
"""Xid errors that are remembered of each card."""


def remember_xid(view: Observation) -> None:
    """Remember the Xid error of a card for a day by the box's clock."""
    code, at = view["xid"], view["xid_at"]
    errors = _xids(view)
    if code is not None and at is not None and [at, code] not in errors:
        recent = [error for error in errors if abs(at - error[0]) < DAY]
        view.box.setdefault("xids", {})[view.about] = [*recent, [at, code]][-_REMEMBERED:]


def _xids(view: Observation) -> List[List[float]]:
    """Return the last Xid errors of a card, as [time, code]."""
    return view.box.get("xids", {}).get(view.about, [])


def _kind(code: int) -> Severity:
    meaning = XIDS.get(code, UNLISTED)
    if meaning.step in GRAVE:
        return Severity.CRITICAL
    if meaning.fault == "program" or meaning.step in ("app", "none", "follow"):
        # Many errors that ECC corrected say something about the card, though nothing has to be done.
        return Severity.WARNING if code == 92 else Severity.INFO
    return Severity.WARNING


def _new_xid(severity: Severity) -> Fires:
    def fires(view: Observation) -> bool:
        code = view["xid"]
        return (
            code is not None and _kind(code) is severity and [view["xid_at"], code] != view.memory.get("said")
        )

    return fires


def _said_xid(view: Observation) -> None:
    view.memory["said"] = [view["xid_at"], view["xid"]]
    view.memory["boot"] = boot_of(view)


def _rebooted_since(view: Observation) -> bool:
    boot, before = boot_of(view), view.memory.get("boot")
    return bool(boot and before and boot != before)


def _bursts(errors: List[List[float]]) -> int:
    """Return how many errors there were, counting those of a burst once."""
    count, last = 0, float("-inf")
    for at, _ in sorted(errors):
        if at - last >= BURST:
            count, last = count + 1, at
    return count


def _repeats(view: Observation) -> bool:
    errors = [error for error in _xids(view) if _kind(int(error[1])) is not Severity.INFO]
    view.values["count"] = str(_bursts(errors))
    return _bursts(errors) >= REPEATS and errors[-1] != view.memory.get("said")


def _said_repeats(view: Observation) -> None:
    view.memory["said"] = next(
        error for error in reversed(_xids(view)) if _kind(int(error[1])) is not Severity.INFO
    )


def _same(view: Observation) -> bool:
    for code in SAME:
        mine = [error for error in _xids(view) if error[1] == code]
        elsewhere = any(
            error[1] == code
            for about, errors in view.box.get("xids", {}).items()
            if about != view.about
            for error in errors
        )
        if _bursts(mine) > 1 and not elsewhere and mine[-1] != view.memory.get("said"):
            view.values["code"] = str(code)
            return True
    return False


def _said_same(view: Observation) -> None:
    view.memory["said"] = next(
        error for error in reversed(_xids(view)) if str(int(error[1])) == view.values["code"]
    )


_XID = "Xid error event {xid}, at {xid_at}: {xid_meaning}"

XID_ALERTS = (
    happening(
        "gpu-xid", GPU, "xid", (), Severity.CRITICAL, _new_xid(Severity.CRITICAL), _said_xid,
        ("Xid {xid}", _XID, "{xid_step}"), "an Xid error that asks for a reset, a reboot or the maker",
        Stays("when the box was rebooted, or when acknowledged", UNTIL_ACKNOWLEDGED), over=_rebooted_since,
    ),
    happening(
        "gpu-xid-watch", GPU, "xid", (), Severity.WARNING, _new_xid(Severity.WARNING), _said_xid,
        ("Xid {xid}", _XID, "{xid_step}"),
        "an Xid error about the card that can wait, or that is not known here",
        ONE_HOUR, over=_rebooted_since,
    ),
    happening(
        "gpu-xid-program", GPU, "xid", (), Severity.INFO, _new_xid(Severity.INFO), _said_xid,
        ("Xid {xid}", _XID, "{xid_step}"), "an Xid error that is a program's fault, or that needs nothing",
        ONE_HOUR,
    ),
    happening(
        "gpu-xid-repeats", GPU, "xid repeats", (), Severity.CRITICAL, _repeats, _said_repeats,
        ("Xid errors {count} times in a day", "This card fails again and again; the last one is Xid {xid}",
        SAVE_REPORT),
        "5 Xid errors of one card in 24 h that are not a program's; those within 3 min count once",
        ACKNOWLEDGED,
    ),
    happening(
        "gpu-xid-same", GPU, "xid repeats", (), Severity.WARNING, _same, _said_same,
        ("Xid {code} again on this card only",
        "Usually a program's fault, but no other card of this box has it",
         "Run the same program on another GPU: if it fails there, too, it is the program, else the card"),
        "Xid 13 or 31 twice in 24 h on one card, and on no other", ACKNOWLEDGED,
    ),
)  # fmt: skip
"""Rows about Xid errors."""
