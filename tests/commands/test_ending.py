"""A command that is asked to end leaves no file with a secret behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.run import environment

SCRIPT = """
import asyncio, os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever started the tests may ignore them
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler if sys.argv[1] == "heard" else signal.SIG_IGN)
if sys.argv[2] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
import tempfile
from gpubox import cli
from gpubox.boxes import browser

@cli.cli.command("hold")
def hold():
    async def work():
        with tempfile.TemporaryDirectory():
            await browser.show("http://127.0.0.1/?token=s3cret", secret=True)
            print("shown", flush=True)
            await asyncio.sleep(600)
    asyncio.run(work())

sys.exit(cli.run(["hold"]))
"""


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a command that shows a page, from a folder for temporary files, and waits."""
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stdout=subprocess.PIPE,
        env=environment(BROWSER="true %s", TMPDIR=str(folder)),
    )


@pytest.mark.parametrize("interrupt", ["heard", "ignored"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_the_page_with_a_token_goes_with_a_signal(
    tmp_path: Path, ending: signal.Signals, interrupt: str
) -> None:
    with start(tmp_path / "tmp", interrupt, "") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"shown\n"
        assert list((tmp_path / "tmp").rglob("open.html"))
        process.send_signal(ending)
        assert process.wait(60) == 128 + ending
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_command_behind_nohup_goes_on(tmp_path: Path) -> None:
    with start(tmp_path / "tmp", "heard", "nohup") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"shown\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # long enough for the signal to arrive
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list((tmp_path / "tmp").iterdir()) == []
