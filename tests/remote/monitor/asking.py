"""Asks an outlet for Prometheus, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from typing import Any

from gpubox.remote.monitor.prometheus import PrometheusOutlet
from tests.common.prometheus.frames import named
from tests.hang import LIMIT


def fresh(name: str = "training_box") -> dict[str, Any]:
    """A frame of just now, which stays fresh for as long as a test may take."""
    frame = named(name)
    frame["time"] = time.time()
    frame["sample"]["interval"] = LIMIT
    return frame


def ask(
    outlet: PrometheusOutlet,
    method: str = "GET",
    path: str = "/metrics",
    host: str = "127.0.0.1",
    **headers: str,
) -> tuple[int, str, bytes]:
    """Status, type and body of an answer."""
    connection = http.client.HTTPConnection(host, outlet.port, timeout=LIMIT)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()


def raw(outlet: PrometheusOutlet, request: bytes) -> bytes:
    """All that comes back for some bytes."""
    with socket.create_connection(("127.0.0.1", outlet.port), LIMIT) as made:
        made.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while block := made.recv(65536):
                answer += block
        return answer
