"""Answers of our programs as JSON."""

from __future__ import annotations

import json
import re


def encoded(value: object) -> bytes:
    """Return an answer as JSON; bytes that are not UTF-8 become U+FFFD, which every reader accepts."""
    return re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(value, ensure_ascii=False)).encode()
