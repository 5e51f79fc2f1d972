"""What is said on stderr while the runs of a comparison go on."""

from __future__ import annotations

from io import StringIO

import pytest
from msgspec.structs import replace

from gpubox.commands import compare_progress
from gpubox.commands.compare_progress import Progress
from tests.boxes.jobs.compare.compared import on_cpu
from tests.boxes.scripted import until


class Terminal(StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


async def test_on_a_terminal_the_newest_line_of_the_log_stands_below(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(compare_progress, "EACH", 0.001)
    monkeypatch.setattr("sys.stderr", terminal)
    record = on_cpu()
    with Progress(2) as progress:
        progress.begins(1, record)
        progress.says(1, b"import  1.2 s\nstep 1\rstep 2\r")
        await until(lambda: "0s  step 2\x1b[K" in terminal.getvalue())
        progress.ended(1, record)
        drawn = terminal.getvalue()
        assert drawn.startswith("1 of 2: paint in tf-cpu without a GPU, job")
        assert drawn.endswith("\r\x1b[K1 of 2: exit 0 after 85.20 s\n")  # the line below is gone


async def test_into_a_file_only_begin_and_end_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    record = on_cpu()
    with Progress(1) as progress:
        progress.begins(1, replace(record, state="queued", waits="one\nfree GPU"))
        progress.says(1, b"much\n")
        progress.ended(1, record)
    begin, end = capsys.readouterr().err.splitlines()
    assert begin.endswith("; it waits for one free GPU")
    assert end == "1 of 1: exit 0 after 85.20 s"


@pytest.mark.parametrize("log", [b"", b"\n\n \n", b"\x1b]0;evil\x07\xff\xfe" * 50, b"x" * 9000])
def test_the_line_is_narrower_than_the_terminal_whatever_the_log_says(log: bytes) -> None:
    progress = Progress(1)
    progress.says(1, log)
    line = progress.line(40)
    assert len(line) < 40
    assert line.isprintable()


def test_a_run_that_begins_forgets_the_log_of_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(2)
    progress.says(1, b"old words\n")
    progress.begins(2, on_cpu())
    assert "old" not in progress.line(80)
    assert "2 of 2" in capsys.readouterr().err
