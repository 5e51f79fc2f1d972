"""The outlet for Prometheus: serves the newest frame at /metrics until it is too old.

One thread serves every client without blocking, so that neither a slow one nor many of them can hold it: a
connection ends after a few seconds, its request has a bound, and the oldest of too many connections ends.
"""

from __future__ import annotations

import contextlib
import ipaddress
import selectors
import socket
import threading
import time

from gpubox.common.prometheus.endpoint import ADDRESS, PATH, PORT
from gpubox.common.prometheus.exposition import OPENMETRICS_TYPE, TEXT_TYPE, exposition, wants_openmetrics
from gpubox.common.prometheus.frame import families
from gpubox.common.rules.link import stale_after
from gpubox.remote.json_io import error_line
from gpubox.remote.monitor.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple, Union

    Row = Dict[str, Any]
    Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
    Reply = Tuple[int, str, bytes, str]

CONNECTIONS = 8
"""Most connections at a time."""
PATIENCE = 5.0
"""Seconds that a connection may take, from its first byte to its last."""
REQUEST = 8192
"""Most bytes of a request."""
PLAIN = "text/plain; charset=utf-8"
REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class PrometheusOutlet(Outlet):
    """Answers GET and HEAD of /metrics.

    The settings are `address` (of an interface; loopback unless given), `port` (0 takes a free one) and
    `dcgm` (whether the names of DCGM are added).
    """

    name = "prometheus"

    def __init__(self, config: Row, folder: str = "") -> None:
        del folder  # nothing is stored
        self._config = config
        self._dcgm = bool(config.get("dcgm", False))
        self._server: Optional[_Server] = None
        self._frame: Optional[Row] = None
        self._due = 0.0
        """When the newest frame becomes stale, by the monotonic clock."""
        self._rendered: Dict[bool, Tuple[Row, bytes]] = {}
        self._scrapes = 0
        self._last_scrape = 0.0
        self._error = ""

    @property
    def port(self) -> int:
        """The port that it listens on; 0 when it does not."""
        return 0 if self._server is None else self._server.port

    def start(self) -> None:
        """Listen; raises ValueError for a wrong setting, OSError when the address cannot be taken."""
        address, port = _address(self._config.get("address", ADDRESS)), _port(self._config.get("port", PORT))
        self._server = _Server(address, port, self._reply)
        self._server.start()

    def offer(self, frame: Row) -> None:
        """Serve this frame from now on."""
        # Its age when it came is by the wall clock, which may jump later.
        age = max(0.0, time.time() - float(frame.get("time") or 0.0))
        interval = float((frame.get("sample") or {}).get("interval") or 1.0)
        self._due = time.monotonic() + stale_after(interval) - age
        self._frame = frame

    def status(self) -> Row:
        """Return whether it serves, in words, and how often it was read."""
        server = self._server
        listening = server is not None and server.running
        words = "serves %s" % server.url if server is not None and listening else "does not listen"
        if self._error:
            words += "; the last frame could not be written: %s" % self._error
        elif listening and self._last_scrape:
            words += ", last read %d s ago" % max(0, time.time() - self._last_scrape)
        elif listening:
            words += ", which nobody has read yet"
        refused = 0 if server is None else server.refused
        return {
            "ok": listening and not self._error,
            "words": words,
            "scrapes": self._scrapes,
            "refused": refused,
        }

    def close(self) -> None:
        """End the server and its connections."""
        if self._server is not None:
            self._server.close()

    def _reply(self, request: _Request) -> Reply:
        """Return status, type, body and further header lines for a request."""
        if request.path != PATH:
            return _words(404, "Nothing is here: the metrics are at %s" % PATH)
        if request.method not in ("GET", "HEAD"):
            return (*_words(405, "The metrics can only be read")[:3], "Allow: GET, HEAD\r\n")
        return self._metrics(wants_openmetrics(request.headers.get("accept", "")))

    def _metrics(self, openmetrics: bool) -> Reply:
        frame, late = self._frame, time.monotonic() - self._due
        if frame is None:
            return _words(503, "No reading has come yet: the service has just been started")
        if late >= 0:
            return _words(503, "The last reading became stale %.0f s ago: the service reads no longer" % late)
        try:
            body = self._body(frame, openmetrics)
        except Exception as error:  # the border of a thread: a fault in one frame must not end the server
            self._error = error_line(error)
            return _words(500, "The reading cannot be written: %s" % self._error)
        self._error = ""
        self._scrapes += 1
        self._last_scrape = time.time()
        return 200, OPENMETRICS_TYPE if openmetrics else TEXT_TYPE, body, ""

    def _body(self, frame: Row, openmetrics: bool) -> bytes:
        rendered = self._rendered.get(openmetrics)
        if rendered is None or rendered[0] is not frame:
            body = exposition(families(frame, dcgm=self._dcgm), openmetrics=openmetrics)
            rendered = self._rendered[openmetrics] = (frame, body)
        return rendered[1]


def _words(status: int, text: str) -> Reply:
    return status, PLAIN, text.encode("utf-8", "replace") + b"\n", ""


def _address(text: object) -> Address:
    if text == "localhost":
        text = ADDRESS
    try:
        return ipaddress.ip_address(str(text).strip().strip("[]"))
    except ValueError:
        raise ValueError(
            "`address` of Prometheus is %r: give the IP address of an interface, 127.0.0.1 for tunnels only, "
            "0.0.0.0 or :: for all" % str(text)[:100]
        ) from None


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise ValueError("`port` of Prometheus is %r: give a number from 1 to 65535" % str(value)[:100])
    return value


class _Request:
    """A request, parsed; raises ValueError for what is none."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, target, version = first.split(" ")
        if not version.startswith("HTTP/1.") or not target:
            raise ValueError("no HTTP/1")
        self.path = target.partition("?")[0]
        self.headers: Dict[str, str] = {}
        for line in lines:
            key, colon, value = line.partition(":")
            if not colon or key != key.strip() or not key:
                raise ValueError("no header")
            key = key.lower()
            if key == "host" and key in self.headers:
                raise ValueError("two hosts")
            old = self.headers.get(key)
            self.headers[key] = value.strip() if old is None else "%s, %s" % (old, value.strip())

    @property
    def host(self) -> str:
        """The name or address that the client asked for, without its port; empty when it named none."""
        host = self.headers.get("host", "")
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0].lower()


def _is_foreign(host: str) -> bool:
    """Return whether a page of another site may have asked: by a name that it has pointed to loopback."""
    if host in ("", "localhost") or host.endswith(".localhost"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


class _Connection:
    """One client: what it has sent, and what is left to send to it."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.ends = time.monotonic() + PATIENCE
        self.received = b""
        self.left: Optional[memoryview] = None
        """What is left to send; None while its request comes in, empty once it was answered."""


class _Server:
    """Listens, and answers in a thread of its own."""

    def __init__(self, address: Address, port: int, reply: Any) -> None:
        self._address = address
        self._reply = reply
        self._listener = self._bound(port)
        self.port: int = self._listener.getsockname()[1]
        self.refused = 0
        self._waker, self._wakes = socket.socketpair()
        self._connections: List[_Connection] = []
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._serve, name="prometheus", daemon=True)

    @property
    def url(self) -> str:
        """Where the metrics are, as a browser has it."""
        host = "[%s]" % self._address if self._address.version == 6 else str(self._address)
        return "http://%s:%d%s" % (host, self.port, PATH)

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to answer."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """End every connection, and listen no longer."""
        self._waker.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._listener.close()

    def _bound(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if self._address.version == 6 else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(str(self._address) != "::"))
            made.bind((str(self._address), port))
            made.listen(CONNECTIONS)
        except OSError as error:
            made.close()
            raise OSError(
                "Prometheus cannot be served on port %d of %s: %s. Another program may have it: see "
                "`ss -ltnp`, or set another `port`" % (port, self._address, error.strerror)
            ) from None
        return made

    def _serve(self) -> None:
        try:
            while True:
                waits = [one.ends for one in self._connections]
                limit = max(0.0, min(waits) - time.monotonic()) if waits else None
                for key, _ in self._selector.select(limit):
                    if key.fileobj is self._wakes:
                        return
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._connections:
                        self._progress(key.data)
                now = time.monotonic()
                for late in [one for one in self._connections if one.ends <= now]:
                    self._drop(late, refused=late.left is None or bool(late.left))
        finally:
            for one in [*self._connections]:
                self._drop(one)
            self._selector.close()
            self._wakes.close()

    def _accept(self) -> None:
        try:
            made, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # it has gone again
        except OSError:
            time.sleep(0.1)  # too many files are open: the client stays in line, and would wake us at once
            return
        if len(self._connections) >= CONNECTIONS:
            self._drop(self._connections[0], refused=True)
        made.setblocking(False)
        one = _Connection(made)
        self._connections.append(one)
        self._selector.register(made, selectors.EVENT_READ, one)

    def _drop(self, one: _Connection, refused: bool = False) -> None:
        self.refused += refused
        self._connections.remove(one)
        self._selector.unregister(one.socket)
        one.socket.close()

    def _progress(self, one: _Connection) -> None:
        try:
            if one.left:
                one.left = one.left[one.socket.send(one.left) :]
                if not one.left:
                    self._finish(one)
                return
            block = one.socket.recv(REQUEST)
        except BlockingIOError:
            return
        except OSError:
            return self._drop(one)
        if not block:
            return self._drop(one, refused=one.left is None)
        if one.left is None:  # else it was answered, and what still comes is thrown away
            one.received += block
            self._answer(one)

    def _answer(self, one: _Connection) -> None:
        head, end, _ = one.received.partition(b"\r\n\r\n")
        if end:
            reply, bodiless = self._judged(head)
        elif len(one.received) > REQUEST:
            reply, bodiless = _words(431, "The request is too long"), False
        else:
            return
        one.received = b""
        status, kind, body, further = reply
        self.refused += status not in (200, 503)
        first = "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (
            (status, REASONS[status], kind, len(body))
        )
        closing = "%sCache-Control: no-store\r\nConnection: close\r\n\r\n" % further
        one.left = memoryview((first + closing).encode() + (b"" if bodiless else body))
        self._selector.modify(one.socket, selectors.EVENT_WRITE, one)

    def _judged(self, head: bytes) -> Tuple[Reply, bool]:
        """Return the reply to a request, and whether it goes without its body."""
        try:
            if len(head) > REQUEST:
                return _words(431, "The request is too long"), False
            request = _Request(head)
        except ValueError:
            return _words(400, "The request is no HTTP/1"), False
        if self._address.is_loopback and _is_foreign(request.host):
            return _words(403, "Ask for localhost or for an address: names are refused on loopback"), False
        return self._reply(request), request.method == "HEAD"

    def _finish(self, one: _Connection) -> None:
        """Wait for the client to close: bytes of its that nobody has read would cut the answer off."""
        with contextlib.suppress(OSError):
            one.socket.shutdown(socket.SHUT_WR)
        self._selector.modify(one.socket, selectors.EVENT_READ, one)
