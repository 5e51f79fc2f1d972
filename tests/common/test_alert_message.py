"""What a message about alerts says."""

from __future__ import annotations

import json
from typing import Any

from gpubox.common.alerts.message import at_least, line, message_of

AT = 1_763_901_234.0


def change(
    *,
    raised: bool = True,
    severity: str = "critical",
    subject: str = "gpu 0",
    title: str = "too hot",
    **more: str,
) -> dict[str, Any]:
    """A change of an alert, as a frame has it."""
    alert = {
        "code": "gpu-too-hot", "subject": subject, "severity": severity, "title": title,
        "text": "it slows down from 87 °C", "hint": "Look at its fan", "since": AT, "about": "GPU-1", **more,
    }  # fmt: skip
    return {"raised": raised, "at": AT, "alert": alert}


def test_one_alert_is_the_title() -> None:
    message = message_of("xub", [change()])
    assert message.title == "xub: gpu 0 too hot"
    assert message.severity == "critical"
    _, _, rest = message.text.partition(" ")
    assert rest == "gpu 0: too hot (critical). it slows down from 87 °C. Look at its fan."


def test_one_that_is_over_says_so() -> None:
    message = message_of("xub", [change(raised=False)])
    assert message.title == "xub: gpu 0 too hot: over"
    assert message.severity == "info"
    assert message.text.endswith("gpu 0: too hot: over")


def test_several_are_counted() -> None:
    changes = [change(severity="warning"), change(subject="gpu 1"), change(subject="gpu 2", raised=False)]
    message = message_of("xub", changes)
    assert message.title == "xub: 2 alerts, 1 over"
    assert message.severity == "critical"
    assert len(message.text.splitlines()) == 3


def test_many_are_not_all_named() -> None:
    message = message_of("xub", [change(subject=f"gpu {n}") for n in range(50)])
    assert message.text.splitlines()[-1] == "and 30 more"
    assert len(message.event["changes"]) == 50


def test_a_test_is_labelled() -> None:
    message = message_of("xub", [change()], test=True)
    assert message.title.startswith("[TEST] xub: ")
    assert message.event["test"] is True


def test_text_of_others_adds_no_line_and_no_header() -> None:
    hostile = "hot\r\nBcc: everyone@example.org\x1b]0;x\x07\u202e"
    message = message_of("xub\nX: y", [change(title=hostile, text="a\nb", hint="c\0d")])
    assert message.title.isprintable()
    assert len(message.text.splitlines()) == 1
    assert len(line("x" * 5000)) == 300


def test_the_event_is_json() -> None:
    event = json.loads(json.dumps(message_of("xub", [change()]).event))
    assert event["v"] == 1
    assert event["host"] == "xub"
    assert event["changes"][0]["alert"]["code"] == "gpu-too-hot"


def test_severities_are_ordered() -> None:
    assert at_least("critical", "warning")
    assert at_least("warning", "warning")
    assert not at_least("info", "warning")
    assert not at_least("unknown", "warning")
