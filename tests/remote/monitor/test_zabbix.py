"""The outlet to Zabbix: registration, outages, kills, and its words."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gpubox.remote.monitor import zabbix
from gpubox.remote.monitor.zabbix import ZabbixOutlet
from gpubox.remote.monitor.zabbix_protocol import tls_psk
from tests.components.servers import free_port
from tests.remote.monitor.frames import tick
from tests.remote.monitor.trapper import Trapper, reply, serving
from tests.waiting import until

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(zabbix, "LONGEST_DELAY", 0.05)


@contextmanager
def outlet(folder: Path, port: int, **config: object) -> Generator[ZabbixOutlet]:
    made = ZabbixOutlet({"server": "127.0.0.1", "port": port, "host": "rig", **config}, str(folder))
    made.start()
    try:
        yield made
    finally:
        made.close()


def words(made: ZabbixOutlet) -> str:
    return str(made.status()["words"])


def running(trapper: Trapper) -> list[int]:
    """The numbers of the frames that a trapper has, as they came."""
    return [json.loads(text)["jobs"]["running"] for text in trapper.values.values()]


def test_frames_arrive_with_their_times(tmp_path: Path) -> None:
    trapper = Trapper("rig")
    with trapper.serving(), outlet(tmp_path, trapper.port) as made:
        assert made.status()["ok"] is False
        for number in range(3):
            made.offer(tick(number))
        until(lambda: len(trapper.values) == 3)
        until(lambda: made.status()["waiting"] == 0)
        status = made.status()
    assert (status["ok"], status["sent"]) == (True, 3)
    assert status["words"] == f"Zabbix at 127.0.0.1:{trapper.port} takes frames of rig"
    assert list(trapper.values) == [(1_000_000_000 + number, 250_000_000) for number in range(3)]


def test_an_unknown_host_registers_itself(tmp_path: Path) -> None:
    trapper = Trapper()
    trapper.registers = "gpubox of the lab"
    with trapper.serving(), outlet(tmp_path, trapper.port, metadata="gpubox of the lab") as made:
        made.offer(tick(1))
        until(lambda: trapper.values)
    assert trapper.hosts == {"rig"}


def test_a_host_that_stays_unknown_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    trapper = Trapper()
    with trapper.serving(), outlet(tmp_path, trapper.port) as made:
        for number in range(3):
            made.offer(tick(number))
        until(lambda: "does not know" in words(made) and made.status()["waiting"] == 3)
        said = words(made)
        trapper.hosts.add("rig")
        until(lambda: len(trapper.values) == 3)
    assert f"Zabbix at 127.0.0.1:{trapper.port} does not know the host rig: add an autoreg" in said
    assert "; 3 frames wait" in said
    assert running(trapper) == [0, 1, 2]


def test_a_known_host_that_takes_nothing_is_said(tmp_path: Path) -> None:
    def answer(request: Row) -> bytes:
        if request["request"] == "active checks":
            return reply({"response": "success", "data": []})
        return reply({"response": "success", "info": "processed: 0; failed: 1; total: 1; seconds spent: 0.1"})

    with serving(answer) as port, outlet(tmp_path, port) as made:
        made.offer(tick(1))
        until(lambda: "link the template" in words(made))
        assert made.status()["waiting"] == 1


TROUBLES: dict[str, tuple[bytes, str]] = {
    "web": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Zabbix server: it does not answer as Zabbix does"),
    "encryption": (
        reply({"response": "failed", "info": 'connection of type "unencrypted" is not allowed'}),
        'does not let rig in: connection of type "unencrypted" is not allowed',
    ),
    "closed": (b"", "closed before its answer was complete"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_is_said(tmp_path: Path, name: str) -> None:
    data, said = TROUBLES[name]
    with serving(lambda _: data) as port, outlet(tmp_path, port) as made:
        made.offer(tick(1))
        until(lambda: said in words(made))
        assert made.status()["ok"] is False


def test_a_server_that_is_down_is_said(tmp_path: Path) -> None:
    with outlet(tmp_path, free_port()) as made:
        made.offer(tick(1))
        until(lambda: "nothing listens there" in words(made))


def test_a_name_that_does_not_exist_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    with outlet(tmp_path, 1, server="zabbix.lab") as made:
        made.offer(tick(1))
        until(lambda: "no such name" in words(made))


def test_a_backlog_goes_out_oldest_first_in_batches_while_new_frames_come(tmp_path: Path) -> None:
    trapper, port = Trapper("rig"), free_port()
    with outlet(tmp_path, port) as made:
        for number in range(250):
            made.offer(tick(number))
            until(lambda number=number: len(made.spool) == number + 1)
        until(
            lambda: (
                "nothing listens there; is the server down, or its port another?; 250 frames" in words(made)
            )
        )
        with trapper.serving(port):
            for number in range(250, 260):
                made.offer(tick(number))
            until(lambda: len(trapper.values) == 260)
    assert running(trapper) == list(range(260))
    assert [clock - 1_000_000_000 for clock, _ in trapper.values] == list(range(260))
    assert trapper.twice == trapper.refused_again == 0
    sent = [len(request["data"]) for request in trapper.requests if "data" in request]
    assert max(sent) == zabbix.BATCH


def test_closing_does_not_wait_for_a_server_that_is_silent(tmp_path: Path) -> None:
    asked: list[Row] = []

    def answer(request: Row) -> None:
        asked.append(request)

    with serving(answer) as port:
        with outlet(tmp_path, port) as made:
            made.offer(tick(1))
            until(lambda: asked)
        assert not any(thread.is_alive() for thread in made._threads)
    assert len(list(tmp_path.glob("zabbix/*.frames"))) == 1


def test_frames_come_at_the_interval_but_changes_at_once(tmp_path: Path) -> None:
    trapper = Trapper("rig")
    with trapper.serving(), outlet(tmp_path, trapper.port, interval=3600) as made:
        for number in range(5):
            made.offer({**tick(number), "changes": [{}] if number == 3 else []})
        until(lambda: len(trapper.values) == 2)
    assert running(trapper) == [0, 3]


def test_a_frame_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    trapper = Trapper("rig")
    with trapper.serving(), outlet(tmp_path, trapper.port) as made:
        made.offer({"sample": 7, "changes": [{}]})
        until(lambda: "A frame could not be read" in words(made))
        made.offer(tick(2))
        until(lambda: running(trapper) == [2])
        assert made.status()["dropped"] == 1


def test_the_file_for_the_agent_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "frame.json"
    made = ZabbixOutlet({"file": str(file)}, str(tmp_path / "folder"))
    made.start()
    try:
        for number in range(3):
            made.offer(tick(number))
            until(
                lambda number=number: (
                    file.exists() and json.loads(file.read_text())["jobs"]["running"] == number
                )
            )
        until(lambda: made.status() == made.status() and made.status()["ok"])
        assert file.stat().st_mode & 0o777 == 0o644
        assert [path.name for path in tmp_path.iterdir()] == ["frame.json"]
        file.unlink()
        file.mkdir()
        made.offer(tick(9))
        until(lambda: "The file for Zabbix' agent cannot be written: Is a directory" in words(made))
        assert made.status()["ok"] is False
    finally:
        made.close()


WRONG: dict[str, tuple[Row, str]] = {
    "nothing": ({}, "names no `server`"),
    "port": ({"server": "a", "port": 70000}, "`port` is not between"),
    "text": ({"server": 5}, "`server` is no text"),
    "interval": ({"server": "a", "interval": 0}, "`interval` is not between"),
    "half a PSK": ({"server": "a", "psk_identity": "x"}, "needs both"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_configuration_is_refused(tmp_path: Path, name: str) -> None:
    config, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        ZabbixOutlet(config, str(tmp_path)).start()


def test_a_python_without_psk_needs_the_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "psk"
    file.write_text("ab" * 32)
    monkeypatch.setenv("PATH", str(tmp_path))
    config = {"server": "a", "psk_identity": "x", "psk_file": str(file)}
    if tls_psk():
        assert zabbix.checked(config).sender == ""
    else:
        with pytest.raises(ValueError, match="install zabbix_sender"):
            zabbix.checked(config)
