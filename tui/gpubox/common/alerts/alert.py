"""An alert, and the moments at which it is raised and cleared."""

from __future__ import annotations

from typing import Any, Dict, Mapping, NamedTuple, Union

from gpubox.common.severity import Severity

Row = Dict[str, Union[str, int, float, bool]]


class Alert(NamedTuple):
    """A rule that fires about one subject. Text from the box is not cleaned here, but where it is shown."""

    code: str
    """The code of its rule, such as `gpu-too-hot`."""
    subject: str
    """What it is about: `gpu 0`, `host`, `disk /data` or `driver`."""
    severity: Severity
    title: str
    text: str
    hint: str
    since: float
    """When it was raised, in seconds since the epoch."""
    about: str = ""
    """The UUID of the GPU that it is about; empty for other subjects."""
    acknowledged: bool = False
    """Whether somebody saw it; it stays raised while its condition holds."""

    @property
    def key(self) -> str:
        """Names it among the alerts of its box; stays the same when a GPU gets another number."""
        return f"{self.code} {self.about or self.subject}"

    def row(self) -> Row:
        """Return it as JSON has it; the severity is its word."""
        return {**self._asdict(), "severity": self.severity.word}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Alert:
        """Return the alert of a row; raises KeyError, TypeError and ValueError for what is none."""
        words = {name: str(row[name]) for name in ("code", "subject", "title", "text", "hint", "about")}
        return cls(
            severity=Severity[str(row["severity"]).upper()],
            since=float(row["since"]),
            acknowledged=bool(row["acknowledged"]),
            **words,
        )


class AlertChange(NamedTuple):
    """An alert was raised or cleared."""

    alert: Alert
    raised: bool
    """Whether it was raised; False when it was cleared."""
    at: float
    """When, in seconds since the epoch."""
