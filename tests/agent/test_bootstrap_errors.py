"""The line that starts the probe, and what is reported when it does not start or ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpubox.agent import bootstrap
from gpubox.config.settings import ProbeSettings
from gpubox.core.errors import ConfigError, ProbeError
from tests.boxes.login import FAST, cache, login


async def failed(home: Path, line: str, mark: str = "gpubox-x", shell: str = "sh") -> ProbeError:
    """The error of a start that cannot work."""
    async with login(home, shell, line, {}) as pipes:
        with pytest.raises(ProbeError) as caught:
            await bootstrap.start(pipes, mark)
        if pipes.process.returncode is None:
            pipes.process.kill()
    return caught.value


async def test_an_account_that_may_run_nothing_is_reported_in_its_own_words(tmp_path: Path) -> None:
    error = await failed(tmp_path, "echo This account is currently not available.; exit 1")
    assert "This account is currently not available." in error.text
    assert error.hint


async def test_a_box_that_says_nothing_is_reported(tmp_path: Path) -> None:
    assert "printed nothing" in (await failed(tmp_path, "exit 0")).text


async def test_what_went_to_stderr_is_reported(tmp_path: Path) -> None:
    assert "exec: not found" in (await failed(tmp_path, "echo exec: not found >&2; exit 127")).text


async def test_a_wrong_mark_is_no_mark(tmp_path: Path) -> None:
    assert "gpubox-y HAVE" in (await failed(tmp_path, "echo gpubox-y HAVE")).text


async def test_a_strange_answer_behind_the_mark_is_reported(tmp_path: Path) -> None:
    assert "PERHAPS" in (await failed(tmp_path, "echo gpubox-x PERHAPS")).text


async def test_a_box_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PATIENCE", 0.2)
    error = await failed(tmp_path, "echo hello; read line")
    assert "no answer" in error.text
    assert "hello" in error.text


async def test_a_late_answer_is_said_before_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LATE", 0.05)
    said: list[ProbeError | None] = []
    async with login(tmp_path, "sh", "sleep 0.5; echo gpubox-x HAVE; cat", {}) as pipes:
        assert await bootstrap.start(pipes, "gpubox-x", said.append) == "python"
    assert [error and "exec fish" in error.hint for error in said] == [True, None]


async def test_endless_noise_is_given_up(tmp_path: Path) -> None:
    assert "1000 lines" in (await failed(tmp_path, "while :; do echo noise || exit; done")).text


async def test_noise_reaches_the_error_clean(tmp_path: Path) -> None:
    error = await failed(tmp_path, r"printf '\033[2J[bold]hostile\n'")
    assert "\x1b" not in error.text


async def test_a_payload_that_is_cut_short_is_reported(tmp_path: Path) -> None:
    mark = "gpubox-x"
    async with login(tmp_path, "sh", bootstrap.command(mark, FAST, sys.executable), {}) as pipes:
        while not (await pipes.read_line(4096)).startswith(mark.encode()):
            pass
        await pipes.write(bootstrap.payload()[:1000])
        assert pipes.process.stdin
        pipes.process.stdin.close()
        error = await bootstrap.ended(pipes)
    assert error.status == 3
    assert "while the probe was coming over" in error.text
    assert not cache(tmp_path).exists() or list(cache(tmp_path).iterdir()) == []


@pytest.mark.parametrize("place", [0, 4, 12, 5000])
async def test_a_payload_that_comes_damaged_is_not_run(tmp_path: Path, place: int) -> None:
    mark = "gpubox-x"
    damaged = bytearray(bootstrap.payload())
    damaged[place] ^= 1
    async with login(tmp_path, "sh", bootstrap.command(mark, FAST, sys.executable), {}) as pipes:
        while not (await pipes.read_line(4096)).startswith(mark.encode()):
            pass
        await pipes.write(bytes(damaged) + b"\n" * 10)
        assert pipes.process.stdin
        pipes.process.stdin.close()
        error = await bootstrap.ended(pipes)
    assert error.status in (3, 4)


async def test_the_end_of_a_probe_is_reported_in_words(tmp_path: Path) -> None:
    async with login(
        tmp_path, "sh", "echo Traceback >&2; echo gpubox: nobody listens >&2; exit 6", {}
    ) as pipes:
        error = await bootstrap.ended(pipes)
    assert error.again
    assert "gpubox: nobody listens" in error.text


def test_the_line_holds_nothing_that_shells_read_differently() -> None:
    environment = {"GPUBOX_NVML_LIB": '/tmp/it\'s $HOME `x` "y" \\ !z\n'}
    line = bootstrap.command("gpubox-x", ProbeSettings(), "/opt/py thon/bin/python3", environment)
    assert "\n" not in line
    assert line.startswith("exec sh -c '")
    assert not set("\\!") & set(line)
    assert line.count("'") == 4
    assert len(line) < 4000


@pytest.mark.parametrize("python", ["/opt/it's/python", "$(reboot)", "`x`", 'a"b', "a\\b", "a!b", "a\nb"])
def test_a_python_that_shells_would_trip_over_is_refused(python: str) -> None:
    with pytest.raises(ConfigError):
        bootstrap.command("gpubox-x", ProbeSettings(), python)


async def test_the_environment_reaches_the_probe_whole(tmp_path: Path) -> None:
    library = tmp_path / "it's $HOME `x` !z"
    line = bootstrap.command(
        "gpubox-x", FAST, sys.executable, {"GPUBOX_NVML_LIB": str(library), "GPUBOX_ROOT": "/none"}
    )
    async with login(tmp_path, "sh", line, {}) as pipes:
        await bootstrap.start(pipes, "gpubox-x")
        assert str(library) in (await pipes.sample()).faults[0].looked


async def test_settings_reach_the_probe(tmp_path: Path) -> None:
    line = bootstrap.command(
        "gpubox-x", ProbeSettings(interval=7.5, top_processes=1, command_lines=False), sys.executable
    )
    async with login(tmp_path, "sh", line, {}) as pipes:
        await bootstrap.start(pipes, "gpubox-x")
        sample = await pipes.sample()
    assert sample.interval == 7.5
    assert [row.command == row.name for row in sample.processes if row.gpu is None] == [True]
