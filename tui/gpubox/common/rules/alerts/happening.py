"""The row of something that happens once, and how long it stays raised."""

from __future__ import annotations

from typing import Callable, NamedTuple, Tuple

from gpubox.common.metrics import field
from gpubox.common.rules.alerts.alert_rule import HOUR, UNTIL_ACKNOWLEDGED, AlertRule, Fires, Observation
from gpubox.common.severity import Severity

SAVE_REPORT = "Save `sudo nvidia-bug-report.sh`, and ask the maker about the card"
"""The hint of a card that is worn out."""


class Stays(NamedTuple):
    """When something that happened is cleared."""

    words: str
    seconds: float


ONE_HOUR = Stays("an hour later, or when acknowledged", HOUR)
ACKNOWLEDGED = Stays("when acknowledged", UNTIL_ACKNOWLEDGED)


def boot_of(view: Observation) -> str:
    """Return the boot id of the box; empty when it is unknown."""
    return field(field(view.sample, "host"), "boot_id") or ""


def happening(
    code: str, subject: str, family: str, needs: Tuple[str, ...], severity: Severity,
    fires: Fires, happened: Callable[[Observation], None], words: Tuple[str, str, str], raised_when: str,
    stays: Stays, hold: float = 0.0, over: Callable[[Observation], bool] = lambda _: False,
) -> AlertRule:  # fmt: skip
    """Return the row of an alert that stays raised after it happened."""
    return AlertRule(
        code, subject, family, needs, fires, severity, *words, raised_when, stays.words, hold,
        stays=stays.seconds, happened=happened, over=over,
    )  # fmt: skip
