"""The outlet that sends frames to Zabbix: the box registers itself, and an outage costs no frame."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import threading
import time
import zlib
from collections import deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

from gpubox.common.zabbix_frame import zabbix_frame
from gpubox.common.zabbix_items import MASTER
from gpubox.remote.json_io import error_line
from gpubox.remote.monitor import zabbix_protocol
from gpubox.remote.monitor.outlet import Outlet
from gpubox.remote.monitor.spool import Spool
from gpubox.remote.monitor.zabbix_protocol import Address, Garbled, Value

Row = Dict[str, Any]

PORT = 10051
"""Where a Zabbix server listens for values."""
METADATA = "gpubox"
"""What the host says of itself when it registers, if the configuration has no word of the site."""
INTERVAL = 30.0
"""Seconds between two frames; one with a changed alert goes at once."""
BATCH, BATCH_BYTES = 100, 512 << 10
"""Most frames of a request, and most bytes of them compressed."""
OFFERED = 100
"""Most frames that wait for the disk."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds before the first retry, and most seconds between two."""
SENDER = "zabbix_sender"


class _Refused(Exception):
    """The server answered, and took nothing; the text says why."""


class ZabbixSettings(NamedTuple):
    """The configuration, checked."""

    address: Optional[Address]
    """None where frames only go to the file."""
    host: str
    metadata: str
    interval: float
    file: str
    """Takes each frame for Zabbix' agent; empty for none."""
    sender: str
    """Zabbix' own sender, where this Python cannot encrypt; else empty."""


def checked(config: Row) -> ZabbixSettings:
    """Return the settings of a configuration; raises ValueError and OSError.

    Fields: `server`, `port`, `host` (the host's name in Zabbix), `metadata` (for autoregistration),
    `psk_identity` and `psk_file`, `interval` (seconds), `file` (takes frames for Zabbix' agent).
    """
    server, file = _text(config, "server", ""), _text(config, "file", "")
    if not server and not file:
        raise ValueError("Zabbix: the configuration names no `server`")
    port, interval = config.get("port", PORT), config.get("interval", INTERVAL)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("Zabbix: `port` is not between 1 and 65535")
    if not isinstance(interval, (int, float)) or not 1 <= interval <= 3600:
        raise ValueError("Zabbix: `interval` is not between 1 and 3600 seconds")
    identity, path = _text(config, "psk_identity", ""), _text(config, "psk_file", "")
    if bool(identity) != bool(path):
        raise ValueError("Zabbix: a PSK needs both `psk_identity` and `psk_file`")
    psk = zabbix_protocol.read_psk(identity, os.path.expanduser(path)) if path else None
    sender = ""
    if psk is not None and not zabbix_protocol.tls_psk():
        sender = shutil.which(SENDER) or ""
        if not sender:
            raise ValueError(
                "Zabbix: this box's Python cannot encrypt by a PSK: install zabbix_sender there (Debian: "
                "zabbix-sender), or Python 3.13"
            )
    host = _text(config, "host", "") or os.uname().nodename
    metadata = _text(config, "metadata", METADATA)
    address = Address(server, port, psk) if server else None
    return ZabbixSettings(address, host, metadata, float(interval), os.path.expanduser(file), sender)


def _text(config: Row, name: str, default: str) -> str:
    found = config.get(name, default)
    if not isinstance(found, str):
        raise ValueError(f"Zabbix: `{name}` is no text")
    return found.strip()


class ZabbixOutlet(Outlet):
    """Sends frames to a Zabbix server, or writes them to a file for its agent, or both.

    One thread takes frames to the spool and the file, another delivers the spool, the oldest first.
    """

    name = "zabbix"

    def __init__(self, config: Row, folder: str) -> None:
        self.config = config
        self.folder = os.path.join(folder, self.name)
        self.settings = ZabbixSettings(None, "", "", INTERVAL, "", "")
        self.spool = Spool(self.folder)
        self.sent = 0
        """Frames that the server has taken since the start."""
        self.sent_at = 0.0
        """When it last took some, in seconds since the epoch."""
        self._ok = False
        self._words = "Nothing was sent yet"
        self._file_words = ""
        self._overrun = 0
        self._offered: Deque[Row] = deque()
        self._next = 0.0
        self._changed = threading.Condition()
        self._closing = False
        self._registered = False
        self._threads: List[threading.Thread] = []
        self._socket: Optional[socket.socket] = None

    def start(self) -> None:
        """Begin; raises ValueError for a wrong configuration, OSError for a PSK that cannot be read."""
        self.settings = checked(self.config)
        works = [self._store]
        if self.settings.address is not None:
            self.spool.open()
            works.append(self._send)
        self._threads = [threading.Thread(target=work, name="zabbix", daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def offer(self, frame: Row) -> None:
        """Take a frame, if one is due or an alert has changed."""
        now = time.monotonic()
        with self._changed:
            if now < self._next and not frame.get("changes"):
                return
            # A sampler that ticks each 10 s must not miss the 30th second by a hair.
            self._next = now + 0.9 * self.settings.interval
            if len(self._offered) >= OFFERED:
                self._offered.popleft()
                self._overrun += 1
            self._offered.append(frame)
            self._changed.notify_all()

    def status(self) -> Row:
        """Return `ok`, `words`, and `sent`, `sent_at`, `waiting` and `dropped` frames."""
        waiting, dropped = len(self.spool), self.spool.dropped + self._overrun
        words = [self._words] if self.settings.address is not None else []
        words += [f"{waiting} frames wait" if waiting > 1 else ""]
        words += [f"{dropped} were dropped" if dropped else "", self.spool.trouble, self._file_words]
        return {
            "ok": self._ok and not self._file_words,
            "words": "; ".join(part for part in words if part),
            "sent": self.sent,
            "sent_at": self.sent_at,
            "waiting": waiting,
            "dropped": dropped,
        }

    def close(self) -> None:
        """End both threads; what waits stays in the spool."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            opened = self._socket
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(0.4)
        self.spool.close()

    # --- the thread that stores ---

    def _store(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._offered or self._closing)
                if not self._offered:
                    return
                frame = self._offered.popleft()
            try:
                self._take(frame)
            except Exception as error:  # the border of the thread: a frame that cannot be read costs itself
                self._overrun += 1
                self._words = f"A frame could not be read: {error_line(error)}"

    def _take(self, frame: Row) -> None:
        data = json.dumps(zabbix_frame(frame), separators=(",", ":")).encode()
        if self.settings.file:
            self._write_file(data)
        if self.settings.address is not None:
            clock, ns = divmod(int(float(frame.get("time") or time.time()) * 1e9), 10**9)
            self.spool.append(zlib.compress(data), clock, ns)
            with self._changed:
                self._changed.notify_all()

    def _write_file(self, data: bytes) -> None:
        """Replace the file for the agent, which another user reads."""
        path = self.settings.file
        half = f"{path}.{os.getpid()}"
        try:
            with open(half, "wb") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(data + b"\n")
            os.replace(half, path)
        except OSError as error:
            self._file_words = f"The file for Zabbix' agent cannot be written: {error.strerror} ({path})"
            return
        self._file_words = ""
        if self.settings.address is None:
            self._ok, self._words = True, ""

    # --- the thread that sends ---

    def _send(self) -> None:
        delay = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing, delay)
                self._changed.wait_for(lambda: len(self.spool) or self._closing)
                if self._closing:
                    return
            before = self.spool.session
            try:
                self._deliver()
                delay = 0.0
            except Exception as error:  # the border of the thread: its fault is its state
                self._ok, self._words = False, self._explained(error)
                # What a killed process delivered last is refused in the same session: try another at once.
                again = before != self.spool.session and delay == 0.0
                longer = min(LONGEST_DELAY, max(FIRST_DELAY, 2 * delay))
                delay = 0.01 if again else longer * random.uniform(0.5, 1.0)

    def _deliver(self) -> None:
        """Deliver the oldest frames; raises OSError, Garbled and _Refused."""
        rows = self.spool.batch(BATCH, BATCH_BYTES)
        if not rows:
            return
        if not self._registered:
            self._register()
        values = [Value(one.id, one.clock, one.ns, zlib.decompress(data).decode()) for one, data in rows]
        took, _ = self._delivered(values)
        if not took:
            self._registered = False
            self._register()
            self.spool.renew_session()
            raise _Refused(
                f"knows the host {self.settings.host}, and takes nothing for its item {MASTER}: link the "
                "template `GPU box by gpubox` to it, and allow this box's address and encryption there"
            )
        # What was refused beside values that were taken is what the server had already.
        self.spool.confirm(values[-1].id)
        self.sent += took
        self.sent_at = time.time()
        self._ok, self._words = (
            True,
            f"Zabbix at {self.settings.address} takes frames of {self.settings.host}",
        )

    def _delivered(self, values: List[Value]) -> Tuple[int, int]:
        host, address = self.settings.host, self.settings.address
        assert address is not None
        if self.settings.sender:
            return zabbix_protocol.by_program(self.settings.sender, address, host, MASTER, values)
        session = self.spool.session.hex()
        answer = self._call(zabbix_protocol.values_request(host, MASTER, values, session))
        if answer.get("response") != "success":
            raise _Refused(f"answers: {str(answer.get('info'))[:200]}")
        return zabbix_protocol.counts(answer.get("info"))

    def _register(self) -> None:
        """Ask as an agent does, by which an unknown host registers itself; raises _Refused if it does not.

        Zabbix' own sender cannot ask.
        """
        if self.settings.sender:
            return
        answer = self._call(zabbix_protocol.registration(self.settings.host, self.settings.metadata))
        if answer.get("response") == "success":
            self._registered = True
            return
        info, host = str(answer.get("info"))[:200], self.settings.host
        if "not found" not in info:
            raise _Refused(f"does not let {host} in: {info}")
        raise _Refused(
            f"does not know the host {host}: add an autoregistration action for the metadata "
            f"`{self.settings.metadata}`, or create the host with the template `GPU box by gpubox`"
        )

    def _call(self, request: Row) -> Row:
        assert self.settings.address is not None

        def opened(made: socket.socket) -> None:
            with self._changed:
                self._socket = made
                if self._closing:
                    raise ConnectionAbortedError("closing")

        try:
            return zabbix_protocol.call(self.settings.address, request, opened=opened)
        finally:
            self._socket = None

    def _explained(self, error: Exception) -> str:
        """Return what is wrong, and what to do about it."""
        place = f"Zabbix at {self.settings.address}"
        if isinstance(error, _Refused):
            return f"{place} {error}"
        if isinstance(error, Garbled):
            return f"{place} is no Zabbix server: {error}"
        if isinstance(error, socket.gaierror):
            return f"{place}: no such name; check `server`, and the box's DNS"
        if isinstance(error, ConnectionRefusedError):
            return f"{place}: nothing listens there; is the server down, or its port another?"
        if isinstance(error, socket.timeout):
            return f"{place} does not answer in time; a firewall in between may drop what is sent"
        if type(error).__name__.startswith("SSL") or (
            isinstance(error, ConnectionError) and self.settings.address and self.settings.address.psk
        ):
            host = self.settings.host
            return f"{place} did not agree on the encryption: check PSK and identity of {host} there"
        if isinstance(error, OSError):
            return f"{place}: {error.strerror or error}"
        return f"{place}: {error_line(error)}"
