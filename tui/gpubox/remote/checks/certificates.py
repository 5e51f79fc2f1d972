"""Reads X.509 certificates: names, issuer, dates. Boxes without `openssl` have certificates, too.

One run of `openssl x509` takes 0.1 s, and a box may have dozens of certificates; the standard library reads
none that it has not verified. Only what the checks show is read: nothing here verifies a signature.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import re
import time

from gpubox.remote.kernel_files import read_all, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterator, List, Tuple

    Row = Dict[str, Any]

NAMES, LENGTH = 50, 253
"""Most names of a certificate, and characters of each: as long as a name of DNS may be."""
FILE = 1 << 18
"""Most bytes of a file of certificates."""

SEQUENCE, UTC_TIME, LONG_TIME = 0x30, 0x17, 0x18
VERSION, EXTENSIONS = 0xA0, 0xA3
DNS_NAME, IP_ADDRESS = 0x82, 0x87
ALTERNATIVE_NAMES = b"\x55\x1d\x11"
LABELS = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU", b"\x55\x04\x06": "C"}
"""Attributes of a name that are shown, by their object identifiers."""
CODINGS = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""Character sets of string types; all others are UTF-8 or a part of it."""

BLOCK = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----([^-]+)-----END ")


def on_disk(path: str) -> Row:
    """Return the first certificate of a file, which is the server's own; or why there is none."""
    try:
        return {"path": path, **read(first(read_all(rooted(path), FILE)))}
    except OSError as error:
        return {"path": path, "error": error.strerror or "it cannot be read"}
    except ValueError as error:
        return {"path": path, "error": str(error)[:100]}


def first(data: bytes) -> bytes:
    """Return the first certificate of a PEM file, in DER; raises ValueError."""
    found = BLOCK.search(data)
    if found is None:
        raise ValueError("no certificate in the file")
    try:
        return base64.b64decode(found.group(1))
    except binascii.Error:
        raise ValueError("the certificate in the file is damaged") from None


def read(data: bytes) -> Row:
    """Return what the checks show of a certificate in DER; raises ValueError."""
    try:
        return facts(data)
    except (IndexError, OverflowError, UnicodeError):
        raise ValueError("the certificate is damaged") from None


def facts(data: bytes) -> Row:
    """Return the fields of a certificate; raises ValueError, IndexError, OverflowError and UnicodeError."""
    fields = list(elements(child(child(data))))
    if fields and fields[0][0] == VERSION:
        del fields[0]
    (_, issuer), (_, validity), (_, subject) = fields[2:5]  # after the serial number and the algorithm
    begins, ends = [moment(tag, value) for tag, value in elements(validity)][:2]
    names: List[str] = []
    for tag, value in fields[5:]:
        if tag == EXTENSIONS:
            names += alternatives(value)
    common = attributes(subject).get("CN", "")
    return {
        "names": (names or ([common] if common else []))[:NAMES],
        "subject": written(subject),
        "issuer": written(issuer),
        "begins": begins,
        "ends": ends,
        "fingerprint": hashlib.sha256(data).hexdigest(),
        "self_signed": issuer == subject,
    }


def elements(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield tag and content of the elements of DER; raises ValueError where one is cut."""
    place = 0
    while place < len(data):
        tag, size = data[place], data[place + 1]
        place += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[place : place + count], "big")
            place += count
            if not 0 < count <= 4:
                raise ValueError("the certificate is damaged")
        if place + size > len(data):
            raise ValueError("the certificate is cut")
        yield tag, data[place : place + size]
        place += size


def child(data: bytes) -> bytes:
    """Return the content of the sequence that data begins with; raises ValueError."""
    for tag, value in elements(data):
        if tag == SEQUENCE:
            return value
        break
    raise ValueError("the certificate is damaged")


def moment(tag: int, value: bytes) -> float:
    """Return a time as seconds since the epoch, 0 at least; raises ValueError."""
    text = value.decode("ascii").rstrip("Z")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != LONG_TIME:
        raise ValueError("the certificate has no dates")
    return float(max(0, calendar.timegm(time.strptime(text[:14], "%Y%m%d%H%M%S"))))


def attributes(name: bytes) -> Dict[str, str]:
    """Return the attributes of a name that are shown; of several alike the last one."""
    found: Dict[str, str] = {}
    for _, group in elements(name):
        for _, pair in elements(group):
            (_, kind), (tag, value) = list(elements(pair))[:2]
            if kind in LABELS:
                found[LABELS[kind]] = value.decode(CODINGS.get(tag, "utf-8"), "replace")[:LENGTH]
    return found


def written(name: bytes) -> str:
    """Return a name in one line: its own, and whose it is."""
    found = attributes(name)
    own = found.get("CN") or found.get("OU") or found.get("O") or ""
    owner = found.get("O", "")
    return "%s (%s)" % (own, owner) if owner and owner != own else own


def alternatives(extensions: bytes) -> List[str]:
    """Return the DNS names and addresses that a certificate is for."""
    names: List[str] = []
    for _, extension in elements(child(extensions)):
        parts = list(elements(extension))
        if parts[0][1] != ALTERNATIVE_NAMES:
            continue
        for tag, value in elements(child(parts[-1][1])):
            if tag == DNS_NAME:
                names.append(value.decode("utf-8", "replace")[:LENGTH])
            elif tag == IP_ADDRESS and len(value) == 4:
                names.append(".".join(map(str, value)))
            elif tag == IP_ADDRESS and len(value) == 16:
                names.append(":".join("%x" % (value[n] << 8 | value[n + 1]) for n in range(0, 16, 2)))
            if len(names) >= NAMES:
                return names
    return names
