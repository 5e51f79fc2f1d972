"""What listens for other machines is reported without its secrets."""

from __future__ import annotations

import json

import pytest

from gpubox.remote import services
from gpubox.remote.checks import open_services


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["x11vnc", "-passwd", "s3cret", "-forever"], ["x11vnc", "-passwd", "set", "-forever"]),
        (["python3", "-u", "/x/jupyter-lab", "--token=s3cret"], ["python3", "/x/jupyter-lab", "--token=set"]),
        (
            ["python", "-m", "vllm", "serve", "m", "--api-key", "s3cret"],
            ["python", "-m", "vllm", "serve", "m", "--api-key", "set"],
        ),
        (["code-server", "--auth", "none"], ["code-server", "--auth", "none"]),
        (["python", "-c", "s3cret"], ["python"]),
        (["tool", "https://u:s3cret@host/"], ["tool"]),
        (["tool --password s3cret"], ["tool", "--password", "set"]),
        ([], []),
    ],
)
def test_a_command_line_loses_its_secrets_and_no_names(words: list[str], shown: list[str]) -> None:
    assert open_services.scrubbed(words) == shown


def test_tokens_of_services_stay_on_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "name": "jupyter-lab",
        "words": ["jupyter-lab", "--token=s3cret"],
        "uid": 1,
        "user": "a",
        "token": "s3cret",
    }
    answer = {
        "v": 1,
        "uid": 1,
        "proc": True,
        "listeners": [
            {"host": "0.0.0.0", "port": 8888, "uid": 1, "user": "a", "pid": 5},
            {"host": "127.0.0.1", "port": 8889, "uid": 1, "user": "a", "pid": 6},
        ],
        "processes": {"5": row, "6": row},
        "programs": {"1": [row]},
        "jupyter": [
            {"pid": 5, "owner": 1, "port": 8888, "token": "s3cret", "root_dir": "/s3cret", "url": "x"}
        ],
        "zabbix": {},
    }
    monkeypatch.setattr(services, "look", lambda: answer)
    found = open_services.look()
    assert "s3cret" not in json.dumps(found)
    assert found["jupyter"] == [{"pid": 5, "owner": 1, "port": 8888, "token": "set", "password": False}]
    assert [one["port"] for one in found["listeners"]] == [8888]
    assert set(found["processes"]) == {"5"}
