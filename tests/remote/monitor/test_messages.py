"""Messages about alerts, over servers on loopback: each goes once by each channel."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gpubox.remote.monitor import message_channels, messages
from gpubox.remote.monitor.message_journal import MOST, Journal
from gpubox.remote.monitor.messages import MessagesOutlet
from tests.common.test_alert_message import change
from tests.remote.monitor.receivers import Mails, Web, mail_server, web
from tests.waiting import until

KILLS = 20


@pytest.fixture
def server() -> Generator[Web]:
    """A server of HTTP."""
    with web() as running:
        yield running


@pytest.fixture
def mails() -> Generator[Mails]:
    """A server of SMTP."""
    with mail_server() as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(messages, "FIRST_PAUSE", 0.02)


@contextlib.contextmanager
def outlet(folder: Path, *configs: dict[str, Any]) -> Generator[MessagesOutlet]:
    """A started outlet."""
    made = MessagesOutlet({"channels": list(configs)}, str(folder))
    made.start()
    try:
        yield made
    finally:
        made.close()


def frame(**more: Any) -> dict[str, Any]:
    """A frame in which an alert was raised."""
    return {"host": "xub", "changes": [change(**more)]}


def test_a_webhook_gets_the_event(tmp_path: Path, server: Web) -> None:
    with outlet(tmp_path, {"kind": "webhook", "url": server.url, "token": "sesame"}) as made:
        made.offer(frame())
        until(lambda: made.status()["sent"])
        (post,) = server.posts
    assert post.path == "/hooks/secret-path"
    assert post.headers["authorization"] == "Bearer sesame"
    event = json.loads(post.body)
    assert event["title"] == "xub: gpu 0 too hot"
    assert event["changes"][0]["alert"]["severity"] == "critical"
    assert made.status()["ok"]


def test_ntfy_gets_title_text_and_priority(tmp_path: Path, server: Web) -> None:
    with outlet(tmp_path, {"kind": "ntfy", "url": server.url}) as made:
        made.offer(frame(title="zu heiß"))
        until(lambda: made.status()["sent"])
    (post,) = server.posts
    assert post.headers["priority"] == "5"
    assert post.headers["title"].startswith("=?utf-8?")
    assert "zu heiß" in post.body.decode()


def test_a_mail_server_gets_a_mail(tmp_path: Path, mails: Mails) -> None:
    config = {"kind": "mail", "to": "ada@example.org", "host": "127.0.0.1", "port": mails.port, "tls": "none"}
    with outlet(tmp_path, config) as made:
        made.offer(frame(title="hot\r\nBcc: eve@example.org"))
        until(lambda: made.status()["sent"])
    (lines,) = mails.sessions
    assert [line for line in lines if line.upper().startswith("RCPT")] == ["rcpt TO:<ada@example.org>"]
    assert not [line for line in lines if line.startswith("Bcc:")]
    assert "Subject: xub: gpu 0 hot  Bcc: eve@example.org" in lines
    assert "Auto-Submitted: auto-generated" in lines


def test_sendmail_gets_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, taken = tmp_path / "sendmail", tmp_path / "mail"
    program.write_text(f'#!/bin/sh\necho "$@" > {taken}.args\ncat > {taken}\n')
    program.chmod(0o755)
    monkeypatch.setattr(message_channels, "SENDMAIL", (str(program),))
    with outlet(tmp_path, {"kind": "mail", "to": "ada@example.org"}) as made:
        made.offer(frame())
        until(lambda: made.status()["sent"])
    assert "Subject: xub: gpu 0 too hot" in taken.read_text()
    assert "ada" not in Path(f"{taken}.args").read_text()


def test_a_command_gets_the_event_on_its_stdin(tmp_path: Path) -> None:
    command = f"cat > {tmp_path}/event; echo $GPUBOX_TITLE > {tmp_path}/title"
    with outlet(tmp_path, {"kind": "command", "command": command}) as made:
        made.offer(frame())
        until(lambda: made.status()["sent"])
    assert json.loads((tmp_path / "event").read_text())["host"] == "xub"
    assert (tmp_path / "title").read_text() == "xub: gpu 0 too hot\n"


def test_a_command_that_hangs_is_ended_and_delays_no_other(
    tmp_path: Path, server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = {"kind": "command", "command": f"echo $$ > {tmp_path}/pid; sleep 1000"}
    with outlet(tmp_path, hang, {"kind": "webhook", "url": server.url}) as made:
        made.offer(frame())
        until(lambda: server.posts and (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())
        os.killpg(pid, signal.SIGKILL)
        until(lambda: not made.status()["ok"])
    monkeypatch.setattr(message_channels, "COMMAND_PATIENCE", 0.2)
    with outlet(tmp_path / "other", hang) as made:
        made.offer(frame())
        until(lambda: made.status()["failed"])
        assert "did not end within" in made.status()["words"]


def test_a_redirect_is_not_followed(tmp_path: Path, server: Web) -> None:
    with web() as other, outlet(tmp_path, {"kind": "webhook", "url": server.url, "token": "sesame"}) as made:
        server.status, server.location = 307, other.url
        made.offer(frame())
        until(lambda: made.status()["failed"])
        assert other.posts == []
        assert made.status()["words"] == "webhook: 127.0.0.1 answered 307"


@pytest.mark.usefixtures("quick")
def test_a_server_that_fails_gets_it_when_it_works_again(tmp_path: Path, server: Web) -> None:
    with outlet(tmp_path, {"kind": "webhook", "url": server.url}) as made:
        server.status = 503
        made.offer(frame())
        made.offer(frame(subject="gpu 1"))
        until(lambda: len(server.posts) > 2)
        assert made.status()["waiting"] == 2
        assert not made.status()["ok"]
        server.status = 200
        until(lambda: made.status()["sent"] == 2)
        assert made.status()["ok"]
    keys = [post.headers["idempotency-key"] for post in server.posts]
    assert len(set(keys)) == 2
    assert keys == sorted(keys, key=lambda key: int(key.partition("-")[2]))


def test_no_secret_is_said_or_written(tmp_path: Path) -> None:
    configs = [
        {"kind": "webhook", "url": "http://127.0.0.1:1/hooks/secret-path", "token": "sesame"},
        {"kind": "webhook", "url": "http://127.0.0.1:bad/secret-path"},
        {"kind": "mail", "to": "a@b", "host": "127.0.0.1", "port": 1, "tls": "none",
         "user": "ada", "password": "sesame"},
    ]  # fmt: skip
    with outlet(tmp_path, *configs) as made:
        made.offer(frame())
        until(lambda: made.status()["words"].count(":") >= 3)
        words = made.status()["words"]
    assert "secret" not in words
    assert "sesame" not in words
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o77 == 0
        assert b"secret" not in file.read_bytes()
        assert b"sesame" not in file.read_bytes()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kind": "pigeon"}, "there is no channel pigeon"),
        ({"kind": "webhook"}, "webhook needs url"),
        ({"kind": "webhook", "url": "file:///etc/passwd"}, "begins with https://"),
        ({"kind": "mail"}, "mail needs to"),
        ({"kind": "command", "command": ""}, "command needs command"),
        ({"kind": "mail", "to": "a@b", "host": "m.example.org", "tls": "none", "user": "a", "password": "b"},
         "only sent encrypted"),
    ],
)  # fmt: skip
def test_a_channel_that_cannot_work_is_refused(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words), outlet(tmp_path, config):
        pass


def test_only_what_is_severe_enough_is_sent(tmp_path: Path, server: Web) -> None:
    with outlet(tmp_path, {"kind": "webhook", "url": server.url, "least": "critical"}) as made:
        made.offer(frame(severity="warning"))
        made.offer({"host": "xub", "changes": []})
        made.offer(frame())
        until(lambda: made.status()["sent"])
    assert len(server.posts) == 1


@pytest.mark.usefixtures("quick")
def test_old_messages_are_dropped(tmp_path: Path, server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "LIFE", -1.0)
    with outlet(tmp_path, {"kind": "webhook", "url": server.url}) as made:
        made.offer(frame())
        until(lambda: made.status()["failed"])
    assert server.posts == []


def test_a_full_disk_keeps_no_message_back(tmp_path: Path, server: Web) -> None:
    with outlet(tmp_path / "missing", {"kind": "webhook", "url": server.url}) as made:
        made.offer(frame())
        until(lambda: made.status()["sent"])
        assert "cannot be written" in made.status()["words"]


def test_the_number_of_messages_that_wait_is_bounded(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    for number in range(MOST + 30):
        journal.add({"n": number}, 1000.0 + number)
    again = Journal(journal.path)
    assert [one["event"]["n"] for one in again.waiting] == [*range(30, MOST + 30)]
    assert again.counts["failed"] == 30


def test_a_journal_that_is_cut_or_damaged_is_read_as_far_as_it_makes_sense(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    journal.add({"host": "xub", "changes": []}, 1000.0)
    whole = Path(journal.path).read_bytes()
    rng = random.Random(7)
    damaged = [whole[:cut] for cut in range(len(whole))]
    damaged += [bytes(rng.choice((byte, rng.randrange(256))) for byte in whole) for _ in range(200)]
    damaged += [b"[]", b"null", b"{}", b'{"counts":{}}', b"[" * 5000, b'{"counts":{"sent":[]},"waiting":3}']
    for data in damaged:
        Path(journal.path).write_bytes(data)
        read = Journal(journal.path)
        read.add({"host": "xub", "changes": []}, 1001.0)
        assert read.waiting[-1]["at"] == 1001.0


SERVICE = """
import sys
from gpubox.remote.monitor import messages
messages.FIRST_PAUSE = 0.01
outlet = messages.MessagesOutlet({"channels": [{"kind": "webhook", "url": sys.argv[1]}]}, sys.argv[2])
outlet.start()
from tests.common.test_alert_message import change
for line in sys.stdin:
    outlet.offer({"host": "xub", "changes": [change(subject=line.strip())]})
    print(flush=True)
"""


def test_a_service_that_is_killed_sends_nothing_twice(tmp_path: Path, server: Web) -> None:
    rng = random.Random(3)
    for life in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, server.url, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(5):
            process.stdin.write(f"gpu {life}-{number}\n")
            process.stdin.flush()
            process.stdout.readline()
        known = len(server.posts) + rng.randrange(3)
        end = time.monotonic() + 0.2
        while len(server.posts) < known and time.monotonic() < end:
            time.sleep(0.001)
        process.kill()
        process.communicate()
    with outlet(tmp_path, {"kind": "webhook", "url": server.url}) as made:
        until(lambda: made.status()["waiting"] == 0)
        status = made.status()
    subjects = [json.loads(post.body)["changes"][0]["alert"]["subject"] for post in server.posts]
    assert len(subjects) == len(set(subjects))
    assert status["failed"] == 0
    assert 0 < len(subjects) <= KILLS * 5
    assert status["sent"] <= len(subjects) <= status["sent"] + status["unsure"]
