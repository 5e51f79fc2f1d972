"""`gpubox-tui status`, run as a program against the demo box and against boxes that are not there."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpubox.commands.report import SCHEMA
from tests.commands.run import PROGRAM, apart, environment
from tests.hang import LIMIT
from tests.terminal import opened


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for temporary files, to see what is left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_status_of_the_demo_box_is_four_lines() -> None:
    ran = apart("status", "demo")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert [line.split()[:2] for line in lines] == [["demo", "host"], *[["demo", "gpu"]] * 3]
    assert all("SIMULATED" in line for line in lines)
    assert "cpu     –" not in lines[0]


def test_the_panel_without_a_terminal_is_one_status(scratch: Path) -> None:
    ran = apart("demo", TMPDIR=str(scratch))
    assert (ran.status, ran.err, len(ran.out.splitlines())) == (0, "", 4)
    assert list(scratch.iterdir()) == []


def test_json_is_one_object_a_box() -> None:
    ran = apart("status", "--json", "demo", "local", "demo")
    assert (ran.status, ran.err) == (0, "")
    reported = {each["box"]: each for each in map(json.loads, ran.out.splitlines())}
    assert set(reported) == {"demo", "local"}
    assert {each["schema"] for each in reported.values()} == {SCHEMA}
    assert [gpu["simulated"] for gpu in reported["demo"]["sample"]["gpus"]] == [True, True, True]


def test_a_box_that_fails_does_not_hide_the_others() -> None:
    ran = apart("status", "--json", "ada@127.0.0.1:1", "demo", "--set", "ssh.connect_timeout=5")
    assert ran.status == 1
    reported = {each["box"]: each for each in map(json.loads, ran.out.splitlines())}
    assert set(reported) == {"ada@127.0.0.1:1", "demo"}
    assert set(reported["ada@127.0.0.1:1"]["error"]) == {"title", "text", "hint"}
    assert "sample" in reported["demo"]
    assert ran.err.startswith("ada@127.0.0.1:1: Connection refused. 127.0.0.1 is there, but nothing ")
    assert len(ran.err.splitlines()) == 1


def test_what_is_wrong_with_the_settings_is_reported_and_does_not_stop_it(home: Path) -> None:
    file = home / "x.toml"
    file.write_text("[probe]\ninterval = 99\n")
    ran = apart("status", "demo", "--config", str(file))
    assert (ran.status, len(ran.out.splitlines())) == (0, 4)
    assert "expected a number from 0.5 to 60" in ran.err


def test_a_log_is_written_where_it_is_asked_for_and_for_its_owner_alone(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    ran = apart("status", "demo", "--log", str(log))
    assert (ran.status, ran.err) == (0, "")
    assert log.stat().st_mode & 0o777 == 0o600
    assert "asyncssh" in log.read_text()
    ran = apart("status", "demo", "--log", str(tmp_path / "none" / "x.log"))
    assert (ran.status, ran.out) == (2, "")
    assert "The log cannot be written" in ran.err


def test_watch_ends_cleanly_with_ctrl_c(scratch: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "status", "demo", "--json", "--watch", "0.5"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(scratch)),
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        times = [json.loads(program.stdout.readline())["time"] for _ in range(3)]
        assert times == sorted(set(times))
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=LIMIT) == 130
        assert program.stderr.read().strip() == b""
    assert list(scratch.iterdir()) == []


def test_a_reader_that_goes_away_ends_it_cleanly(scratch: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "status", "demo", "--watch", "0.5"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(scratch)),
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        assert program.wait(timeout=LIMIT) == 141
        assert program.stderr.read() == b""
    assert list(scratch.iterdir()) == []


def test_lines_survive_a_terminal_without_unicode() -> None:
    ran = apart("status", "demo", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (ran.status, len(ran.out.splitlines())) == (0, 4)


async def test_in_a_terminal_the_panel_opens_and_a_pipe_gets_a_status(home: Path) -> None:
    command = ["sh", "-c", f"{' '.join(PROGRAM)} demo | cat; echo ended $?"]
    async with opened(command, environment(), columns=200) as terminal:
        await terminal.shows("RTX 4090", "ended 0")
        assert terminal.modes.get(1049) is None


async def test_the_program_ends_when_its_terminal_is_closed(scratch: Path) -> None:
    command = [*PROGRAM, "status", "demo", "--watch", "0.5"]
    async with opened(command, environment(TMPDIR=str(scratch))) as terminal:
        await terminal.shows("RTX 4090")
        terminal.close()
        await terminal.ended()
    end = time.monotonic() + LIMIT
    while os.listdir(scratch):
        assert time.monotonic() < end, "the demo outlived its terminal"
        await asyncio.sleep(0.05)


def test_a_status_loads_no_screen_no_feature_and_no_other_kind_of_box() -> None:
    code = (
        "import sys; from gpubox import cli; status = cli.run(['status', 'nobody@127.0.0.1:1']);"
        "heavy = ('textual', 'rich', 'PIL', 'multiprocessing', 'urllib.request', 'xml', 'importlib.metadata',"
        " 'tarfile', 'sqlite3', 'difflib', 'logging.handlers', 'importlib.resources', 'cryptography.x509',"
        " 'gpubox.ui', 'gpubox.demo', 'gpubox.local', 'gpubox.rfb', 'gpubox.ssh.server');"
        "features = ['gpubox.boxes.' + name for name in"
        " ('desktops', 'envs', 'files', 'jobs', 'services', 'tunnels', 'x11')];"
        "print(sorted({*heavy, *features} & set(sys.modules)), status, 'asyncssh' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=LIMIT, check=True)
    assert done.stdout.decode() == "[] 1 True\n"


def test_one_reading_asks_for_the_shortest_interval() -> None:
    ran = apart("status", "local", "--json", "--set", "probe.interval=30")
    assert json.loads(ran.out)["sample"]["interval"] == 0.25
