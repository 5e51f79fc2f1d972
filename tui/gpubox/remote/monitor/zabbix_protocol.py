"""Requests to a Zabbix server, as its senders and agents make them: a header, a length, and JSON.

The format: `ZBXD`, a byte of flags (1 always, 2 compressed by zlib, 4 lengths of 8 bytes), the length of the
data and its length once unpacked, both little-endian (Zabbix manual, "Header" under "Protocols").
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import subprocess
import time
import zlib
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

Row = Dict[str, Any]

MAGIC = b"ZBXD"
PROTOCOL, COMPRESSED, LARGE = 1, 2, 4
"""The flags of the header."""
ANSWER = 1 << 20
"""Most bytes of an answer, packed or unpacked; the longest that we ask for has some hundred."""
TIMEOUT = 10.0
"""Seconds for a whole request, however the server spreads its answer."""
PSK_DIGITS = (32, 512)
"""Fewest and most hexadecimal digits of a key, as Zabbix takes it."""
_COUNTS = re.compile(r"processed: (\d+); failed: (\d+)")


class Garbled(ValueError):
    """What answered is no Zabbix server; the text says why."""


class Psk(NamedTuple):
    """A key that both ends have, by its name."""

    identity: str
    key: bytes
    path: str
    """The file that it was read from, for zabbix_sender."""


class Address(NamedTuple):
    """Where a server listens for values."""

    host: str
    port: int
    psk: Optional[Psk] = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Value(NamedTuple):
    """One value of an item, and when it was taken."""

    id: int
    """Grows with each value of a session: the server ignores what it has already had."""
    clock: int
    ns: int
    text: str


def read_psk(identity: str, path: str) -> Psk:
    """Return the key in a file; raises OSError, or ValueError for one that Zabbix would not take."""
    with open(path, "rb") as file:
        digits = file.read(PSK_DIGITS[1] + 64).strip()
    if not re.fullmatch(rb"(?:[0-9a-fA-F]{2}){%d,%d}" % (PSK_DIGITS[0] // 2, PSK_DIGITS[1] // 2), digits):
        raise ValueError(
            f"{path} holds no PSK: Zabbix takes {PSK_DIGITS[0]} to {PSK_DIGITS[1]} hexadecimal digits, "
            "such as `openssl rand -hex 32` gives"
        )
    return Psk(identity, bytes.fromhex(digits.decode()), path)


def tls_psk() -> bool:
    """Return whether this Python can encrypt by a PSK, as it can from 3.13 on."""
    try:
        import ssl
    except ImportError:
        return False
    return bool(getattr(ssl, "HAS_PSK", False))


def packet(request: Row) -> bytes:
    """Return a request as it is sent."""
    plain = json.dumps(request, separators=(",", ":"), ensure_ascii=True).encode()
    packed = zlib.compress(plain)
    return MAGIC + struct.pack("<BII", PROTOCOL | COMPRESSED, len(packed), len(plain)) + packed


def call(
    address: Address,
    request: Row,
    timeout: float = TIMEOUT,
    opened: Callable[[socket.socket], None] = lambda _: None,
) -> Row:
    """Send a request and return the answer; raises OSError and Garbled.

    `opened` gets the socket, so that another thread may shut it down, which ends the call.
    """
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection((address.host, address.port), timeout))
        opened(plain)
        used = stack.enter_context(_encrypted(plain, address.psk)) if address.psk else plain
        used.settimeout(_left(deadline))
        used.sendall(packet(request))
        return _answer(used, deadline)


def _encrypted(plain: socket.socket, psk: Psk) -> socket.socket:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # both ends prove that they have the key
    context.set_ciphers("PSK")
    context.set_psk_client_callback(lambda _: (psk.identity, psk.key))  # type: ignore[attr-defined]
    return context.wrap_socket(plain)


def _left(deadline: float) -> float:
    """Return the seconds that are left; raises socket.timeout."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("timed out")
    return left


def _exactly(source: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        source.settimeout(_left(deadline))
        block = source.recv(min(1 << 16, count - len(data)))
        if not block:
            raise ConnectionResetError("closed before its answer was complete")
        data += block
    return data


def _answer(source: socket.socket, deadline: float) -> Row:
    head = _exactly(source, 5, deadline)
    flags = head[4]
    if head[:4] != MAGIC or not flags & PROTOCOL or flags & ~(PROTOCOL | COMPRESSED | LARGE):
        raise Garbled("it does not answer as Zabbix does")
    form = "<QQ" if flags & LARGE else "<II"
    length, unpacked = struct.unpack(form, _exactly(source, struct.calcsize(form), deadline))
    if length > ANSWER or (flags & COMPRESSED and unpacked > ANSWER):
        raise Garbled("its answer is too long")
    data = _exactly(source, length, deadline)
    if flags & COMPRESSED:
        data = _unpacked(data)
    try:
        found = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Garbled("its answer is no JSON") from None
    if not isinstance(found, dict):
        raise Garbled("its answer is no JSON object")
    return found


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data, ANSWER + 1)
    except zlib.error:
        raise Garbled("its answer cannot be unpacked") from None
    if len(plain) > ANSWER or not unpacker.eof:
        raise Garbled("its answer is too long or cut")
    return plain


def values_request(host: str, key: str, values: Sequence[Value], session: str) -> Row:
    """Return the request that delivers values of one item."""
    data = [
        {"host": host, "key": key, "value": one.text, "clock": one.clock, "ns": one.ns, "id": one.id}
        for one in values
    ]
    now = time.time()
    return {"request": "sender data", "session": session, "data": data, "clock": int(now), "ns": 0}


def registration(host: str, metadata: str) -> Row:
    """Return the request by which an agent asks for its checks, and an unknown host registers itself."""
    return {"request": "active checks", "host": host, "host_metadata": metadata, "version": "6.0"}


def counts(info: object) -> Tuple[int, int]:
    """Return how many values a server took and refused, by its words; raises Garbled for other words."""
    found = _COUNTS.findall(str(info)[:4096])
    if not found:
        raise Garbled("its answer does not say what it took")
    return sum(int(took) for took, _ in found), sum(int(refused) for _, refused in found)


def by_program(
    program: str, address: Address, host: str, key: str, values: Sequence[Value], timeout: float = TIMEOUT
) -> Tuple[int, int]:
    """Deliver values by Zabbix' own sender, for a Python that has no PSK; returns as `counts` does.

    Raises OSError where the server cannot be reached.
    """
    assert address.psk is not None
    command: List[str] = [program, "-z", address.host, "-p", str(address.port), "-T", "-N", "-i", "-"]
    command += ["--tls-connect", "psk", "--tls-psk-identity", address.psk.identity]
    command += ["--tls-psk-file", address.psk.path]
    lines = "".join(f"{quoted(host)} {key} {one.clock} {one.ns} {quoted(one.text)}\n" for one in values)
    try:
        done = subprocess.run(
            command, input=lines.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise socket.timeout("timed out") from None
    said = done.stdout[-4096:].decode("utf-8", "replace")
    if not _COUNTS.search(said):
        last = (said.strip().splitlines() or ["nothing"])[-1]
        raise ConnectionError(f"zabbix_sender says: {last[:200]}")
    return counts(said)


def quoted(text: str) -> str:
    """Return text as zabbix_sender reads it from a file: in quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
