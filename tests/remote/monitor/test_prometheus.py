"""The outlet for Prometheus over real sockets: what it answers, and what it says of itself."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gpubox.common.prometheus.exposition import OPENMETRICS_TYPE, TEXT_TYPE, exposition
from gpubox.common.prometheus.frame import families
from gpubox.remote.monitor import prometheus
from gpubox.remote.monitor.prometheus import PrometheusOutlet
from tests.hang import LIMIT
from tests.remote.bundles import lay
from tests.remote.monitor.asking import ask, fresh, raw
from tests.remote.running import pythons


def test_the_newest_frame_is_served_in_the_text_format(outlet: PrometheusOutlet) -> None:
    frame = fresh()
    outlet.offer(fresh("eight_gpus"))
    assert b"H100" in ask(outlet)[2]
    outlet.offer(frame)
    assert ask(outlet) == (200, TEXT_TYPE, exposition(families(frame)))
    assert ask(outlet, path="/metrics?name=x")[0] == 200


def test_openmetrics_is_served_where_it_is_preferred(outlet: PrometheusOutlet) -> None:
    frame = fresh()
    outlet.offer(frame)
    status, kind, body = ask(outlet, Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert (status, kind) == (200, OPENMETRICS_TYPE)
    assert body == exposition(families(frame), openmetrics=True)
    assert ask(outlet, Accept="text/plain")[1] == TEXT_TYPE


def test_names_of_dcgm_are_served_by_a_setting() -> None:
    outlet = PrometheusOutlet({"port": 0, "dcgm": True})
    outlet.start()
    outlet.offer(fresh())
    try:
        assert b"\nDCGM_FI_DEV_GPU_UTIL{" in ask(outlet)[2]
    finally:
        outlet.close()


def test_head_has_the_length_and_no_body(outlet: PrometheusOutlet) -> None:
    frame = fresh()
    outlet.offer(frame)
    answer = raw(outlet, b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(exposition(families(frame))) in answer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
    ],
)
def test_anything_else_is_refused_in_words(
    outlet: PrometheusOutlet, method: str, path: str, status: int
) -> None:
    outlet.offer(fresh())
    answered, kind, body = ask(outlet, method, path)
    assert (answered, kind) == (status, prometheus.PLAIN)
    assert b"metrics" in body
    assert outlet.status()["refused"] == 1


def test_what_may_be_asked_is_named(outlet: PrometheusOutlet) -> None:
    assert b"\r\nAllow: GET, HEAD\r\n" in raw(outlet, b"PUT /metrics HTTP/1.1\r\n\r\n")


def test_no_frame_and_a_stale_one_are_unavailable(
    outlet: PrometheusOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, body = ask(outlet)
    assert (status, body[:25]) == (503, b"No reading has come yet: ")
    frame = fresh()
    frame["sample"]["interval"] = 10.0
    outlet.offer(frame)
    now = time.monotonic()
    monkeypatch.setattr(prometheus.time, "monotonic", lambda: now + 25)
    assert ask(outlet)[0] == 200
    monkeypatch.setattr(prometheus.time, "monotonic", lambda: now + 35)
    status, kind, body = ask(outlet)
    assert (status, kind) == (503, prometheus.PLAIN)
    assert b"stale" in body
    outlet.offer(frame)
    assert ask(outlet)[0] == 200


def test_a_frame_that_comes_late_is_stale_from_the_start(outlet: PrometheusOutlet) -> None:
    outlet.offer({**fresh(), "time": time.time() - 4 * LIMIT})
    assert ask(outlet)[0] == 503


def test_a_frame_that_cannot_be_written_is_said_and_the_next_one_is_served(outlet: PrometheusOutlet) -> None:
    outlet.offer({**fresh(), "owners": [None]})
    status, _, body = ask(outlet)
    assert status == 500
    assert b"AttributeError" in body
    assert not outlet.status()["ok"]
    assert "could not be written" in outlet.status()["words"]
    outlet.offer(fresh())
    assert ask(outlet)[0] == 200
    assert outlet.status()["ok"]


def test_the_status_says_where_and_whether_it_is_read(outlet: PrometheusOutlet) -> None:
    url = f"http://127.0.0.1:{outlet.port}/metrics"
    assert outlet.status() == {
        "ok": True, "words": f"serves {url}, which nobody has read yet", "scrapes": 0, "refused": 0,
    }  # fmt: skip
    outlet.offer(fresh())
    ask(outlet)
    assert outlet.status()["words"].startswith(f"serves {url}, last read ")
    assert outlet.status()["scrapes"] == 1
    outlet.close()
    assert outlet.status()["ok"] is False


def test_closing_ends_connections_and_frees_the_port(outlet: PrometheusOutlet) -> None:
    port = outlet.port
    with socket.create_connection(("127.0.0.1", port), LIMIT) as idle:
        idle.sendall(b"GET")
        outlet.close()
        assert outlet._server is not None
        assert not outlet._server.running
        with contextlib.suppress(ConnectionError):
            assert idle.recv(1) == b""
    again = PrometheusOutlet({"port": port})
    again.start()
    again.close()
    again.close()
    PrometheusOutlet({}).close()


def test_a_port_in_use_is_said(outlet: PrometheusOutlet) -> None:
    with pytest.raises(OSError, match=rf"port {outlet.port} of 127\.0\.0\.1: .*in use.*another `port`"):
        PrometheusOutlet({"port": outlet.port}).start()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"address": "attic"}, "`address` of Prometheus is 'attic': give the IP address"),
        ({"address": ""}, "`address`"),
        ({"address": None}, "`address`"),
        ({"port": 65536}, "`port` of Prometheus is '65536': give a number"),
        ({"port": -1}, "`port`"),
        ({"port": "9846"}, "`port`"),
        ({"port": True}, "`port`"),
    ],
)
def test_a_wrong_setting_is_said(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        PrometheusOutlet(config).start()


def has_ipv6() -> bool:
    """Whether loopback has an IPv6 address."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as made:
        made.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on loopback")
@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_an_address_of_ipv6_works(address: str) -> None:
    outlet = PrometheusOutlet({"address": address, "port": 0})
    outlet.start()
    outlet.offer(fresh())
    try:
        assert ask(outlet, host="::1")[0] == 200
        assert f"http://[::1]:{outlet.port}/metrics" in outlet.status()["words"]
    finally:
        outlet.close()


OLD = """
import hashlib, json, sys, time, urllib.request
from gpubox.remote.monitor.prometheus import PrometheusOutlet
outlet = PrometheusOutlet({"port": 0, "dcgm": True})
outlet.start()
frame = json.load(sys.stdin)
outlet.offer(frame)
body = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % outlet.port).read()
outlet.close()
print(hashlib.sha256(body).hexdigest())
"""


@pytest.mark.parametrize("version", pythons(), ids=lambda version: ".".join(map(str, version)))
def test_every_python_serves_the_same_bytes(tmp_path: Path, version: tuple[int, int]) -> None:
    folder = lay(tmp_path / "program", prometheus.__name__)
    frame = fresh("hostile")
    done = subprocess.run(
        [pythons()[version], "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{OLD}"],
        input=json.dumps(frame), capture_output=True, text=True, timeout=LIMIT, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == hashlib.sha256(exposition(families(frame, dcgm=True))).hexdigest()
    assert sys.version_info[:2] in pythons()
