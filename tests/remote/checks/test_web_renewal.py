"""Timers and lines of cron that renew certificates are found, and their secrets stay where they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpubox.remote.checks import commands, web_renewal
from tests.remote.checks.web_tree import put, without_programs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    without_programs(monkeypatch, tmp_path)
    return tmp_path


def test_cron_and_its_tools_are_found_and_their_lines_stay(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tree,
        "/etc/cron.d/certbot",
        "# certbot\n0 */12 * * * root test \\! -d /run/systemd/system && certbot -q renew\n",
    )
    put(tree, "/var/spool/cron/crontabs/root", '5 0 * * * CF_Token=s3cret "/root/.acme.sh"/acme.sh --cron\n')
    rows = web_renewal.renewals()
    assert [(row["tool"], row["by"]) for row in rows] == [
        ("certbot", "/etc/cron.d/certbot"),
        ("acme.sh", "/var/spool/cron/crontabs/root"),
    ]
    assert "s3cret" not in json.dumps(rows)
    monkeypatch.setattr(commands, "has_systemd", lambda: True)
    assert [row["tool"] for row in web_renewal.renewals()] == ["acme.sh"]  # Debian's line does nothing there


SHOWN = """Id=certbot.timer
LoadState=loaded
UnitFileState=enabled
ActiveState=active
LastTriggerUSec=Sat 2026-11-28 03:12:01 UTC

Id=snap.certbot.renew.timer
LoadState=not-found
ActiveState=inactive

Id=certbot.service
LoadState=loaded
Result=exit-code
ExecMainStatus=1
"""


def test_timers_are_read_with_their_last_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "has_systemd", lambda: True)

    def run(*argv: str, seconds: float) -> commands.Done:
        return commands.Done(0, SHOWN if "show" in argv else "", "")

    monkeypatch.setattr(commands, "run", run)
    (row,) = web_renewal.timers()
    assert row == {
        "tool": "certbot",
        "by": "certbot.timer",
        "enabled": True,
        "active": True,
        "file_state": "enabled",
        "ran": 1795835521.0,
        "result": "exit-code",
        "status": 1,
    }
