"""`gpubox-tui monitor` on this machine: with a home, a cron and an end of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

from tests import orphans
from tests.commands.run import PROGRAM, Ran, apart, environment
from tests.hang import LIMIT
from tests.remote.monitor.service.box import CRONTAB
from tests.ssh.fakes import alive
from tests.waiting import until

KEY = "0123456789abcdef" * 4


@pytest.fixture
def variables(home: Path, tmp_path: Path) -> Generator[dict[str, str]]:
    """The variables of a user with a crontab and without systemd; no service outlives the test."""
    program = tmp_path / "bin/crontab"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n" + CRONTAB)
    program.chmod(0o755)
    yield {
        "HOME": str(home),
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(tmp_path / "nowhere"),
        "GPUBOX_STATE_DIR": "",
    }
    orphans.end(str(home))


def answer(ran: Ran) -> dict[str, Any]:
    """Return the answer of a command with --json."""
    assert ran.out, ran.err
    found = json.loads(ran.out)
    assert (found["schema"], found["box"]) == (1, "local")
    return cast("dict[str, Any]", found["monitor"])


def test_it_is_installed_looked_at_and_removed(variables: dict[str, str], home: Path) -> None:
    none = apart("monitor", "local", **variables)
    assert (none.status, none.out) == (1, "The service is not installed\n")
    refused = apart("monitor", "local", "install", **variables)
    assert refused.status == 1
    assert "--yes agrees beforehand" in refused.err
    words = ("install", "--yes", "--interval", "2", "--json")
    installed = answer(apart("monitor", "local", *words, **variables))
    assert (installed["running"], installed["way"], installed["current"]) == (True, "cron", True)
    shown = apart("monitor", "local", "status", **variables)
    assert shown.status == 0
    assert "The service has been running for" in shown.out
    assert "at boot, by your crontab" in shown.out
    removed = apart("monitor", "local", "remove", "--yes", **variables)
    assert (removed.status, removed.out) == (0, "The service is not installed\n")
    assert not alive(installed["pid"])
    assert not (home / ".local/state/gpubox").exists()
    assert apart("monitor", "local", "start", **variables).status == 1


def test_a_key_is_read_from_stdin_into_a_private_file(variables: dict[str, str], home: Path) -> None:
    words = ["--zabbix", "127.0.0.1:1", "--psk-identity", "attic", "--psk-file", "-", "--yes", "--json"]
    done = subprocess.run(
        [*PROGRAM, "monitor", "local", "install", *words],
        input=KEY.encode(), capture_output=True, env=environment(**variables), timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    (secret,) = home.glob(".local/state/gpubox/*/monitor/secrets/zabbix.psk")
    assert secret.read_text().strip() == KEY
    assert secret.stat().st_mode & 0o777 == 0o600
    assert KEY.encode() not in done.stdout + done.stderr
    others = [path for path in home.rglob("*") if path.is_file() and path != secret]
    assert [path for path in others if KEY.encode() in path.read_bytes()] == []
    again = answer(apart("monitor", "local", "install", "--zabbix", "off", "--yes", "--json", **variables))
    assert [outlet["name"] for outlet in again["outlets"]] == ["history"]
    assert not secret.exists()
    assert apart("monitor", "local", "remove", "--yes", **variables).status == 0


def test_messages_go_out_and_the_use_is_known(variables: dict[str, str], home: Path) -> None:
    channels = b'[[channel]]\nkind = "webhook"\nurl = "http://127.0.0.1:1/secret-path"\n'
    words = ["--interval", "1", "--messages", "-", "--yes", "--json"]
    none = apart("usage", "local", **variables)
    assert none.status == 1
    assert "No service watches this box" in none.err
    done = subprocess.run(
        [*PROGRAM, "monitor", "local", "install", *words],
        input=channels, capture_output=True, env=environment(**variables), timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    outlets = json.loads(done.stdout)["monitor"]["outlets"]
    assert [(one["name"], one["ok"]) for one in outlets] == [("history", True), ("messages", True)]
    holding = [path for path in home.rglob("*") if path.is_file() and b"secret-path" in path.read_bytes()]
    assert [path.name for path in holding] == ["config.json"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    tested = apart("monitor", "local", "test", **variables)
    assert (tested.status, "by each channel" in tested.out) == (0, True)
    until(lambda: "webhook: 127.0.0.1" in apart("monitor", "local", **variables).out)
    assert apart("monitor", "local", "stop", "--yes", **variables).status == 0
    used = apart("usage", "local", "--since", "1h", "--json", **variables)
    assert used.status == 0, used.err
    found = json.loads(used.out)["gpu_usage"]
    assert found["by"] == "user"
    assert found["seconds"] == 3600
    assert 0 < found["watched"] < 3600
    shown = apart("usage", "local", "--since", "1h", **variables)
    assert shown.out.startswith("local: use in the last 1h 00m, seen 0% of the time\n")
    assert apart("monitor", "local", "remove", "--yes", **variables).status == 0


@pytest.mark.parametrize("time", ["", "7", "d", "0h", "-1d", "800d", "1w", "1e3h"])
def test_a_time_that_is_none_is_a_usage_error(time: str, variables: dict[str, str]) -> None:
    ran = apart("usage", "local", f"--since={time}", **variables)
    assert ran.status == 2
    assert "a time is a number and m, h or d" in ran.err


@pytest.mark.parametrize(
    ("words", "title"),
    [
        (("--prometheus", "x"), "Not a port"),
        (("--zabbix", "a b"), "Not a Zabbix server"),
        (("--psk-identity", "x"), "No use for a key"),
        (("--zabbix", "z", "--psk-file", "/nowhere"), "No use for a key"),
        (("--zabbix", "z", "--psk-identity", "x", "--psk-file", "/nowhere"), "The file cannot be read"),
        (("--messages", "/nowhere"), "The file cannot be read"),
        (("--messages", "/dev/null/x"), "The file cannot be read"),
        (("--messages", "/proc/version"), "No channels for messages"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    variables: dict[str, str], home: Path, words: tuple[str, ...], title: str
) -> None:
    ran = apart("monitor", "local", "install", "--yes", *words, **variables)
    assert ran.status == 2
    assert title in ran.err
    assert not (home / ".local/state/gpubox").exists()
