"""Formats numbers with units, in fixed widths so that columns never jump."""

from __future__ import annotations

import time

DASH = "–"
"""Drawn where a value is unknown."""

_MOST = 1e19
"""No reading is larger; a sender of more is broken or malicious, and the value is drawn as unknown."""
_SIZES = ("B", "K", "M", "G", "T", "P")


def known(value: float | None) -> float | None:
    """Return a number, or None if it is infinite, NaN, or larger than any reading."""
    if value is None or not -_MOST <= value <= _MOST:
        return None
    return float(value)


def size(value: float | None) -> str:
    """Return bytes in at most five characters with a binary unit: `812M`, `7.6G`, or a dash."""
    amount = known(value)
    if amount is None:
        return DASH
    unit = _SIZES[0]
    for unit in _SIZES:
        if abs(amount) < 999.5 or unit == _SIZES[-1]:
            break
        amount /= 1024
    digits = 1 if amount < 99.95 and unit != "B" else 0
    return f"{amount:.{digits}f}{unit}"


def rate(value: float | None) -> str:
    """Return bytes a second: `1.2M/s`, or a dash."""
    return DASH if known(value) is None else f"{size(value)}/s"


def percent(value: float | None) -> str:
    """Return a share as a whole number: `87%`, or a dash."""
    return _with(value, "%")


def watts(value: float | None) -> str:
    """Return power: `143W`, or a dash."""
    return _with(value, "W")


def celsius(value: float | None) -> str:
    """Return a temperature: `71°C`, or a dash."""
    return _with(value, "°C")


def megahertz(value: float | None) -> str:
    """Return a clock: `1911MHz`, or a dash."""
    return _with(value, "MHz")


def _with(value: float | None, unit: str) -> str:
    number = known(value)
    return DASH if number is None else f"{number:.0f}{unit}"


def duration(seconds: float | None) -> str:
    """Return a span in its two largest units: `4s`, `3m 20s`, `2h 05m`, `12d 3h`, or a dash."""
    span = known(seconds)
    if span is None:
        return DASH
    whole = max(0, int(span))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour}h"
    if hours:
        return f"{hour}h {minute:02d}m"
    if minutes:
        return f"{minute}m {second:02d}s"
    return f"{second}s"


def milliseconds(seconds: float | None) -> str:
    """Return a short time: `0.4 ms`, `12 ms`, `1.8 s`, or a dash."""
    span = known(seconds)
    if span is None:
        return DASH
    if span >= 1:
        return f"{span:.1f} s"
    amount = span * 1000
    return f"{amount:.1f} ms" if amount < 10 else f"{amount:.0f} ms"


def temperature(value: float | None, unit: str = "celsius") -> str:
    """Return degrees Celsius in the unit the user wants, `celsius` or `fahrenheit`: `71°C`, `160°F`."""
    degrees = known(value)
    if degrees is None or unit == "celsius":
        return celsius(degrees)
    return f"{degrees * 9 / 5 + 32:.0f}°F"


def clock_time(seconds: float | None) -> str:
    """Return a moment as this machine's time of day, such as 12:03:11; nothing for None."""
    if seconds is None:
        return ""
    moment = time.localtime(seconds)
    return f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
