"""Zabbix' protocol: what is sent, and servers that answer with anything."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.remote.monitor import zabbix_protocol
from gpubox.remote.monitor.zabbix_protocol import Address, Garbled, Value, call, counts, read_psk
from tests.remote.monitor.trapper import HEAD, Trapper, reply, serving

ASKED = {"request": "active checks", "host": "a"}


def answered(data: bytes) -> object:
    """What a call makes of an answer."""
    with serving(lambda _: data) as port:
        return call(Address("127.0.0.1", port), ASKED)


def test_a_request_arrives_and_its_answer_comes_back() -> None:
    trapper = Trapper("a")
    with trapper.serving():
        assert call(Address("127.0.0.1", trapper.port), {**ASKED, "x": "é" * 5000}) == {
            "response": "success",
            "data": [],
        }
    assert trapper.requests[0]["x"] == "é" * 5000


def test_packed_and_large_answers_are_read() -> None:
    data = json.dumps({"response": "success"}).encode()
    packed = zlib.compress(data)
    assert answered(b"ZBXD\3" + struct.pack("<II", len(packed), len(data)) + packed) == {
        "response": "success"
    }
    assert answered(b"ZBXD\5" + struct.pack("<QQ", len(data), 0) + data) == {"response": "success"}


BOMB = zlib.compress(bytes(64 << 20))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "web server": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as Zabbix does"),
    "unknown flags": (b"ZBXD\x81" + bytes(8), "does not answer as Zabbix does"),
    "endless": (HEAD + struct.pack("<II", 0xFFFFFFFF, 0), "too long"),
    "endless and large": (b"ZBXD\5" + struct.pack("<QQ", 1 << 60, 0), "too long"),
    "says that it unpacks to much": (b"ZBXD\3" + struct.pack("<II", 5, 1 << 30) + b"12345", "too long"),
    "unpacks to more than it says": (b"ZBXD\3" + struct.pack("<II", len(BOMB), 9) + BOMB, "too long or cut"),
    "not packed": (b"ZBXD\3" + struct.pack("<II", 5, 5) + b"12345", "cannot be unpacked"),
    "cut pack": (b"ZBXD\3" + struct.pack("<II", 20, 5) + BOMB[:20], "too long or cut"),
    "no JSON": (reply(b"\xff{"), "no JSON"),
    "deep JSON": (reply(b"[" * 100_000), "no JSON"),
    "a list": (reply([]), "no JSON object"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_is_none_is_named(name: str) -> None:
    data, words = HOSTILE[name]
    with pytest.raises(Garbled, match=words):
        answered(data)


def test_an_answer_that_is_cut_is_an_error_of_the_connection() -> None:
    for cut in (b"", b"ZB", HEAD + b"\x09", reply({"response": "success"})[:-1]):
        with pytest.raises(ConnectionResetError):
            answered(cut)


def test_a_server_that_never_answers_costs_the_timeout() -> None:
    with serving(lambda _: None) as port, pytest.raises(socket.timeout):
        call(Address("127.0.0.1", port), ASKED, timeout=0.2)


class Dripping:
    """A socket that gives a byte at a time, each after a second of a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.given = 0

    def recv(self, _: int) -> bytes:
        self.now += 1.0
        self.given += 1
        return b"ZBXD\1"[self.given - 1 : self.given] or b"\0"

    def settimeout(self, _: float) -> None:
        pass


def test_a_server_that_drips_is_cut_off_at_the_timeout_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Dripping()
    monkeypatch.setattr(time, "monotonic", lambda: source.now)
    with pytest.raises(socket.timeout):
        zabbix_protocol._answer(source, 10.0)  # type: ignore[arg-type] - all that is used of a socket
    assert source.given == 10


@given(st.binary(max_size=60), st.sampled_from([b"", b"ZBXD", HEAD, b"ZBXD\3", b"ZBXD\5"]))
def test_no_bytes_raise_anything_else(data: bytes, head: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head + data)
        theirs.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError, Garbled):
            assert isinstance(zabbix_protocol._answer(ours, time.monotonic() + 60), dict)


def test_counts_are_read_from_the_words_of_servers_and_senders() -> None:
    assert counts("processed: 3; failed: 1; total: 4; seconds spent: 0.000126") == (3, 1)
    sender = 'Response from "z:10051": "processed: 250; failed: 0; total: 250; seconds spent: 0.1"\n'
    assert counts(sender + sender.replace("failed: 0", "failed: 2")) == (500, 2)
    for words in (None, "", "all is well"):
        with pytest.raises(Garbled):
            counts(words)


def test_a_key_is_read_and_what_zabbix_would_refuse_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "psk"
    file.write_text("00ff" * 16 + "\n")
    psk = read_psk("box", str(file))
    assert psk.key == b"\x00\xff" * 16
    for text in ("", "abc", "0" * 31, "0" * 33, "g" * 32, "00" * 257):
        file.write_text(text)
        with pytest.raises(ValueError, match="holds no PSK"):
            read_psk("box", str(file))


SENDER = """#!/bin/sh
printf '%s\\n' "$@" > {folder}/arguments
cat > {folder}/lines
echo '{answer}'
"""


@pytest.fixture
def sender(tmp_path: Path) -> Callable[[str], str]:
    """A stand-in for zabbix_sender that says something."""

    def made(answer: str) -> str:
        program = tmp_path / "zabbix_sender"
        program.write_text(SENDER.format(folder=tmp_path, answer=answer))
        program.chmod(0o755)
        return str(program)

    return made


def test_the_key_is_in_no_argument_of_zabbix_sender(tmp_path: Path, sender: Callable[[str], str]) -> None:
    file = tmp_path / "psk"
    file.write_text("0123456789abcdef" * 4)
    address = Address("127.0.0.1", 10051, read_psk("the box", str(file)))
    program = sender('"processed: 1; failed: 0; total: 1; seconds spent: 0.1"')
    values = [Value(7, 100, 5, '{"a":"b\\\\n"}')]
    assert zabbix_protocol.by_program(program, address, "my box", "gpubox.frame", values) == (1, 0)
    arguments = (tmp_path / "arguments").read_text()
    assert "0123456789abcdef" not in arguments
    assert "the box" in arguments
    assert (tmp_path / "lines").read_text() == '"my box" gpubox.frame 100 5 "{\\"a\\":\\"b\\\\\\\\n\\"}"\n'
    with pytest.raises(ConnectionError, match="sent: 0"):
        zabbix_protocol.by_program(sender("sent: 0"), address, "a", "b", values)
