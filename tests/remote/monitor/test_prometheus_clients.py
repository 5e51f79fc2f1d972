"""No client can hold the outlet for Prometheus or its memory, and no page of another site can read it."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from gpubox.remote.monitor import prometheus
from gpubox.remote.monitor.prometheus import CONNECTIONS, REQUEST, PrometheusOutlet
from tests.hang import LIMIT
from tests.remote.monitor.asking import ask, fresh, raw


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/2\r\n\r\n",
        b"GET  /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n folded: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(outlet: PrometheusOutlet, request_: bytes) -> None:
    assert raw(outlet, request_).startswith(b"HTTP/1.1 400 ")


def test_a_request_has_a_bound(outlet: PrometheusOutlet) -> None:
    head = b"GET /metrics HTTP/1.1\r\nX: "
    assert raw(outlet, head + b"x" * (2 * REQUEST)).startswith(b"HTTP/1.1 431 ")
    assert raw(outlet, head + b"x" * (REQUEST // 2) + b"\r\n\r\n").startswith(b"HTTP/1.1 503 ")


def test_a_body_is_thrown_away_and_the_answer_arrives(outlet: PrometheusOutlet) -> None:
    body = b"x" * 20_000_000  # more than the kernel takes off our hands
    answer = raw(outlet, b"POST /metrics HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"The metrics can only be read\n")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9846", 200),
        ("tunnel.localhost", 200),
        ("127.0.0.1", 200),
        ("10.1.2.3:19846", 200),
        ("[::1]:9846", 200),
        ("evil.example", 403),
        ("localhost.evil.example:9846", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
def test_a_page_that_points_its_name_to_loopback_is_refused(
    outlet: PrometheusOutlet, host: str, status: int
) -> None:
    outlet.offer(fresh())
    answer = raw(outlet, b"GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (b"gpubox_up" in answer) is (status == 200)


def test_a_request_may_come_in_pieces(outlet: PrometheusOutlet) -> None:
    outlet.offer(fresh())
    with socket.create_connection(("127.0.0.1", outlet.port), LIMIT) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /metrics HTTP/1.1\r\n\r\n":
            made.sendall(bytes([byte]))
        assert made.recv(15) == b"HTTP/1.1 200 OK"


def test_silent_clients_hold_nobody(outlet: PrometheusOutlet) -> None:
    outlet.offer(fresh())
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", outlet.port), LIMIT))
            for _ in range(3 * CONNECTIONS)
        ]
        for one in silent:
            with contextlib.suppress(ConnectionError):
                one.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert ask(outlet)[0] == 200
        assert len(outlet._server._connections if outlet._server else ()) <= CONNECTIONS


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX: ", b"GET /metrics HTTP/1.1\r\n\r\n"])
def test_a_client_that_does_nothing_is_dropped(
    outlet: PrometheusOutlet, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(prometheus, "PATIENCE", 0.1)
    with socket.create_connection(("127.0.0.1", outlet.port), LIMIT) as made:
        made.sendall(sent)
        with contextlib.suppress(ConnectionError):
            while made.recv(4096):
                pass  # until the outlet has closed it


def test_a_client_that_sends_a_byte_now_and_then_is_dropped(
    outlet: PrometheusOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "PATIENCE", 0.2)
    with socket.create_connection(("127.0.0.1", outlet.port), LIMIT) as made:
        made.settimeout(0.01)
        with contextlib.suppress(ConnectionError):
            while True:
                made.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not made.recv(1):
                        break
    assert outlet.status()["refused"] == 1


def test_a_client_that_does_not_read_holds_nobody(
    outlet: PrometheusOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = b"x" * 30_000_000

    def exposition(families: object, *, openmetrics: bool) -> bytes:
        return big

    monkeypatch.setattr(prometheus, "exposition", exposition)
    outlet.offer(fresh())
    with socket.create_connection(("127.0.0.1", outlet.port), LIMIT) as idle:
        idle.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert ask(outlet)[2] == big


def test_many_clients_at_once_are_all_answered(outlet: PrometheusOutlet) -> None:
    outlet.offer(fresh("eight_gpus"))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: [statuses.append(ask(outlet)[0]) for _ in range(20)])
        for _ in range(CONNECTIONS // 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert statuses == [200] * 20 * len(threads)
    assert outlet.status()["scrapes"] == len(statuses)
