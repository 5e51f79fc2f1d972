"""A server that takes values as Zabbix does: by hosts that it knows, each value of a session once."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from tests.hang import LIMIT

HEAD = b"ZBXD\1"

Row = dict[str, Any]


def reply(answer: object) -> bytes:
    """An answer with its header."""
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return HEAD + struct.pack("<II", len(data), 0) + data


class Trapper:
    """What it knows, and what it took."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = set(hosts)
        self.registers = ""
        """An unknown host with this metadata is known once it has asked."""
        self.requests: list[Row] = []
        self.values: dict[tuple[int, int], str] = {}
        """By second and nanosecond, in the order in which they came."""
        self.refused_again = 0
        """Values that it had already, by their session and id."""
        self.twice = 0
        """Values that it took a second time: its history has one of them."""
        self.port = 0
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def answer(self, request: Row) -> object:
        """Zabbix' answer."""
        with self._lock:
            self.requests.append(request)
            if request["request"] == "active checks":
                return self._checks(request)
            took = sum(self._takes(request["session"], row) for row in request["data"])
            failed = len(request["data"]) - took
            info = f"processed: {took}; failed: {failed}; total: {took + failed}; seconds spent: 0.000055"
            return {"response": "success", "info": info}

    def _checks(self, request: Row) -> Row:
        name = request["host"]
        if name in self.hosts:
            return {"response": "success", "data": []}
        if self.registers and request["host_metadata"] == self.registers:
            self.hosts.add(name)
        return {"response": "failed", "info": f"host [{name}] not found"}

    def _takes(self, session: str, row: Row) -> bool:
        if row["host"] not in self.hosts:
            return False
        if row["id"] <= self._last.get(session, 0):
            self.refused_again += 1
            return False
        self._last[session] = row["id"]
        self.twice += (row["clock"], row["ns"]) in self.values
        self.values.setdefault((row["clock"], row["ns"]), row["value"])
        return True

    @contextmanager
    def serving(self, port: int = 0) -> Generator[None]:
        """Answer on loopback until the block ends."""
        with serving(lambda asked: reply(self.answer(asked)), port) as self.port:
            yield


@contextmanager
def serving(answer: Callable[[Row], bytes | None], port: int = 0) -> Generator[int]:
    """Answer each request with bytes until the block ends; None keeps the client waiting. Yields the port."""
    over = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(LIMIT)
            head = client.recv(13, socket.MSG_WAITALL)
            if len(head) < 13:
                return
            length, _ = struct.unpack("<II", head[5:])
            body = client.recv(length, socket.MSG_WAITALL)
            if len(body) < length:
                return
            data = answer(json.loads(zlib.decompress(body) if head[4] & 2 else body))
            if data is None:
                over.wait(LIMIT)
            else:
                client.sendall(data)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(client,)))
                threads[-1].start()

    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(0.05)
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        over.set()
        accepting.join(LIMIT)
        listener.close()
        for thread in threads:
            thread.join(LIMIT)
