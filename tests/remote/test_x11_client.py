"""The program that connects to a forwarded display, against sockets that answer as a display does."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpubox.common import x11
from gpubox.remote import x11_client
from tests.hang import LIMIT
from tests.remote.bundles import lay

REASON = b"No \x1b]0;x\x07 protocol\n"
ACCEPTED = struct.pack("<BxHHH", 1, 11, 0, 0)
REFUSED = struct.pack("<BBHHH", 0, len(REASON), 11, 0, 5) + REASON.ljust(20, b"\0")


@contextmanager
def display(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> Generator[list[bytes]]:
    """Answer one client at display 0 of TCP; yields what it sent."""
    sent: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(x11, "FIRST_PORT", server.getsockname()[1])

        def serve() -> None:
            link, _ = server.accept()
            with link:
                sent.append(link.recv(1000))
                link.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        yield sent
        serving.join(LIMIT)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of cookies; there is none yet."""
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "cookies"))
    return tmp_path / "cookies"


def test_a_display_that_takes_the_cookie_is_reached(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    words = (socket.gethostname().encode(), b"0", b"MIT-MAGIC-COOKIE-1", b"0123456789abcdef")
    file.write_bytes(b"\1\0" + b"".join(struct.pack(">H", len(word)) + word for word in words))
    with display(monkeypatch, ACCEPTED) as sent:
        assert x11_client.refused("127.0.0.1:0.0") == ""
    assert sent == [x11.greeting(b"MIT-MAGIC-COOKIE-1", b"0123456789abcdef")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (REFUSED, "127.0.0.1:0 refuses: No \x1b]0;x\x07 protocol"),
        (struct.pack("<BxHHH", 2, 11, 0, 0), "127.0.0.1:0 refuses: it gives no reason"),
        (b"\0", "Nothing answers on 127.0.0.1:0: it hung up"),
        (b"", "Nothing answers on 127.0.0.1:0: it hung up"),
    ],
)
def test_a_display_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str) -> None:
    with display(monkeypatch, answer) as sent:
        assert x11_client.refused("127.0.0.1:0") == reason
    assert sent == [x11.greeting(b"", b"")]


def test_a_display_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert x11_client.refused("") == "The program got no DISPLAY"
    assert x11_client.refused("nonsense") == "DISPLAY is 'nonsense', which is no display"
    assert "Nothing answers on" in x11_client.refused(f"{tmp_path}/socket:0")


def test_it_reaches_a_socket_of_this_machine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/socket:0")
        server.listen()

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.recv(1000)
                link.sendall(ACCEPTED)

        serving = threading.Thread(target=serve)
        serving.start()
        assert x11_client.refused(f"{tmp_path}/socket:0") == ""
        serving.join(LIMIT)


def test_it_runs_on_old_and_new_pythons(tmp_path: Path, python: str) -> None:
    lay(tmp_path, "gpubox.remote.x11_client")
    done = subprocess.run(
        [python, "-I", "-S", str(tmp_path / "run.py"), "gpubox.remote.x11_client"],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DISPLAY": f"{tmp_path}/socket:0"},
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode() == f"Nothing answers on {tmp_path}/socket:0: No such file or directory\n"
