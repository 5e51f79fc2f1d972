"""Reads public keys: type, size, fingerprint and the names of options; never what a key is made of."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from typing import List, NamedTuple, Optional

CURVES = {"nistp256": 256, "nistp384": 384, "nistp521": 521}
TYPE = re.compile(r"(?:ssh|ecdsa-sha2|sk-ssh|sk-ecdsa-sha2|rsa-sha2)-[A-Za-z0-9@.-]+$")
WORD = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^\s"])+')
"""A word of a line; quotes of options keep spaces together."""
OPTION = re.compile(r'([A-Za-z0-9-]+)(?:=("(?:\\.|[^"\\])*"|[^,]*))?')


class PublicKey(NamedTuple):
    """What others may know about a public key."""

    kind: str
    """`ssh-ed25519`, `ssh-rsa`..."""
    bits: Optional[int]
    fingerprint: str
    """SHA256:... as ssh-keygen -l prints it."""
    options: List[str]
    """The names of its options in lower case."""
    expired: bool
    """Whether the option expiry-time has passed."""
    commented: bool


def parsed(line: str) -> Optional[PublicKey]:
    """Return the key of a line of authorized_keys or of a .pub file; None for anything else."""
    words = WORD.findall(line.strip())
    options = ""
    if words and not TYPE.match(words[0]):
        options = words.pop(0)
    if len(words) < 2 or not TYPE.match(words[0]):
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (ValueError, binascii.Error):
        return None
    fields = parts(blob)
    if not fields or fields[0] != words[0].encode():
        return None
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    given = OPTION.findall(options)
    expiry = next((value.strip('"') for name, value in given if name.lower() == "expiry-time"), "")
    names = [name.lower()[:40] for name, _ in given][:20]
    return PublicKey(words[0], size(fields), "SHA256:" + digest, names, expired(expiry), len(words) > 2)


def parts(blob: bytes) -> List[bytes]:
    """Return the fields of a key; none when one is cut."""
    found: List[bytes] = []
    place = 0
    while place < len(blob):
        length = int.from_bytes(blob[place : place + 4], "big")
        place += 4 + length
        if place > len(blob) or len(found) > 16:
            return []
        found.append(blob[place - length : place])
    return found


def size(fields: List[bytes]) -> Optional[int]:
    """Return the bits of a key by its fields, or None for a type without a known size."""
    if not fields:
        return None
    kind = fields[0].decode("ascii", "replace")
    if kind == "ssh-rsa" and len(fields) > 2:
        return int.from_bytes(fields[2], "big").bit_length()
    if kind == "ssh-dss" and len(fields) > 1:
        return int.from_bytes(fields[1], "big").bit_length()
    if "ed25519" in kind:
        return 256
    return next((bits for curve, bits in CURVES.items() if curve in kind), None)


def expired(text: str) -> bool:
    """Return whether a time of expiry-time has passed: YYYYMMDD, or with HHMM or HHMMSS; Z means UTC."""
    utc = text.endswith("Z")
    digits = text[:-1] if utc else text
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits), "")
    if not form:
        return False
    try:
        moment = time.strptime(digits, form)
    except ValueError:
        return False
    now = time.gmtime() if utc else time.localtime()
    return tuple(moment)[:6] < tuple(now)[:6]
