"""Web servers are found in the process list, their sites and are asked over loopback only."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.web.facts import WebFacts
from gpubox.remote.checks import commands, web
from gpubox.remote.json_io import encoded
from tests.hang import LIMIT
from tests.remote.checks.made_certificates import DAY, certificate
from tests.remote.checks.web_tree import put, without_programs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    without_programs(monkeypatch, tmp_path)
    return tmp_path


def process(tree: Path, pid: int, line: bytes, cgroup: str = "0::/system.slice/nginx.service") -> None:
    put(tree, f"/proc/{pid}/cmdline", line)
    put(tree, f"/proc/{pid}/cgroup", cgroup)
    put(tree, f"/proc/{pid}/comm", line[:5])


def facts() -> WebFacts:
    return msgspec.json.decode(encoded(web.gather()), type=WebFacts)


def test_servers_are_found_and_those_in_containers_are_not_tested(tree: Path) -> None:
    put(tree, "/proc/self/cgroup", "0::/user.slice")
    put(tree, "/etc/nginx/nginx.conf", "http { }")
    process(tree, 10, b"nginx: master process /usr/sbin/nginx -g daemon off;")
    process(tree, 11, b"nginx: worker process")
    process(tree, 12, b"nginx: master process nginx -c /evil.conf", "0::/docker/1234")
    process(tree, 13, b"/usr/bin/caddy\0run\0--config\0/etc/caddy/Caddyfile\0")
    process(tree, 14, b"/usr/sbin/apache2\0-k\0start\0")
    process(tree, 15, b"python3\0nginx\0")
    found = {(one.name, one.container): one for one in facts().servers}
    assert set(found) == {("nginx", False), ("nginx", True), ("caddy", False), ("apache", False)}
    assert found["nginx", False].config == "/etc/nginx/nginx.conf"
    assert found["nginx", True].problem == "it runs in a container"
    assert found["caddy", False].config == "/etc/caddy/Caddyfile"


def test_what_reloads_a_server_is_known_by_its_group_of_processes(tree: Path) -> None:
    put(tree, "/proc/self/cgroup", "0::/user.slice")
    put(tree, "/etc/nginx/nginx.conf", "http { }")
    process(tree, 10, b"nginx: master process /usr/sbin/nginx -g daemon off;")
    process(tree, 11, b"nginx\0-p\0/srv/web\0-c\0conf/nginx.conf\0", "0::/user.slice/user-1000.slice")
    process(tree, 13, b"/usr/bin/caddy\0run\0", "0::/system.slice/evil.service")
    process(tree, 14, b"/usr/sbin/apache2\0-k\0start\0", "12:pids:/x\n0::/system.slice/apache2.service")
    found = {one.config or one.name: one for one in facts().servers}
    assert found["/etc/nginx/nginx.conf"].unit == "nginx.service"
    assert (found["/srv/web/conf/nginx.conf"].unit, found["/srv/web/conf/nginx.conf"].prefix) == (
        "",
        "/srv/web",
    )
    assert found["caddy"].unit == ""
    assert found["apache"].unit == "apache2.service"
    assert all(one.mine for one in found.values())
    assert not web.server("nginx", os.geteuid() + 1, ["nginx"], container=False)["mine"]


def test_the_configuration_of_another_user_is_not_tested(tree: Path) -> None:
    # `load_module` in it would run that user's code as ours.
    row = web.server("nginx", 4242, ["nginx", "-c", "/home/eve/nginx.conf"], container=False)
    assert row["sites"] == []
    assert web.tested(row)["problem"] == "its configuration belongs to another user"


@pytest.mark.parametrize(
    ("error", "valid"),
    [
        ('nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:3', False),
        ('nginx: [emerg] open() "/run/nginx.pid" failed (13: Permission denied)', None),
        ("AH00526: Syntax error on line 5 of /etc/apache2/apache2.conf:", False),
    ],
)
def test_a_test_without_root_that_may_not_read_says_nothing(
    monkeypatch: pytest.MonkeyPatch, error: str, valid: bool | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert web.verdict(commands.Done(1, "", f"{error}\ntest failed\n"))["valid"] is valid


def test_certificates_of_lets_encrypt_are_found_and_a_closed_folder_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    put(tree, "/etc/letsencrypt/live/README", "")
    put(
        tree,
        "/etc/letsencrypt/live/a.org/fullchain.pem",
        certificate(["a.org"], now, now + 90 * DAY).certificate,
    )
    (one,) = facts().certificates
    assert (one.names, one.used) == (("a.org",), False)

    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(web.os, "listdir", refuse)
    rows, hidden = web.stored([])
    assert (rows, hidden) == ([], ["/etc/letsencrypt/live"])


@contextmanager
def answering(reply: bytes, context: ssl.SSLContext | None = None) -> Generator[int]:
    """Answer every connection to a port of loopback with some bytes, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    raw, _ = server.accept()
                    with raw, contextlib.suppress(OSError):
                        connection = context.wrap_socket(raw, server_side=True) if context else raw
                        connection.recv(4096)
                        connection.sendall(reply)
                        connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT)


def test_the_served_certificate_is_read_by_a_handshake(tmp_path: Path) -> None:
    now = time.time()
    made = certificate(["a.org"], now - 91 * DAY, now - DAY)
    path = made.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, tmp_path / "live.key")
    with answering(b"", context) as port:
        target = {
            "server": "nginx",
            "name": "a.org",
            "host": "127.0.0.1",
            "port": port,
            "certificates": [str(path)],
        }
        row = web.served(target)
    assert row["certificate"]["fingerprint"] == web.certificates.on_disk(str(path))["fingerprint"]
    assert row["paths"] == [str(path)]


def test_a_port_that_speaks_no_tls_says_so_and_one_without_listener_too() -> None:
    target = {"server": "", "name": "", "host": "127.0.0.1", "certificates": []}
    with answering(b"HTTP/1.1 400 Bad\r\n\r\n") as port:
        assert web.served({**target, "port": port})["certificate"]["error"]
    assert web.served({**target, "port": port})["certificate"]["error"]


@pytest.mark.parametrize(
    ("reply", "status", "location"),
    [
        (
            b"HTTP/1.1 301 Moved\r\nServer: x\r\nLocation: https://a.org/?token=s3cret\r\n\r\n",
            301,
            "https://a.org/",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nlocation: http://a/", 200, "http://a/"),
        (b"\x00\xff\x1b", 0, ""),
        (b"", 0, ""),
    ],
)
def test_the_answer_without_tls_is_read(reply: bytes, status: int, location: str) -> None:
    with answering(reply) as port:
        row = web.plain({"name": "a.org", "host": "127.0.0.1", "port": port})
    assert (row["status"], row["location"]) == (status, location)


def test_names_are_asked_for_only_when_they_are_names() -> None:
    names = ("gpu.example.org", "*.example.org", "_", "~^x", "192.0.2.1", "a\r\nb.org", "localhost", "[/b]")
    assert [web.sni(name) for name in names] == ["gpu.example.org", "www.example.org", "", "", "", "", "", ""]


def test_connections_go_to_listeners_of_this_machine_only(tree: Path) -> None:
    line = "   0: {} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15099 1\n"
    put(tree, "/proc/net/tcp", "head\n" + line.format("00000000:01BB") + line.format("0700000A:20FB"))
    site = {"server": "nginx", "names": ["a.org"], "secure": True, "certificates": ["/a.pem"]}
    targets = web.secure_targets([{**site, "port": port} for port in (443, 8443, 9443)], web.listening())
    assert [(target["host"], target["port"]) for target in targets] == [
        ("127.0.0.1", 443),
        ("10.0.0.7", 8443),
    ]


def test_this_machine_is_looked_at_in_time() -> None:
    assert facts().time > 0
