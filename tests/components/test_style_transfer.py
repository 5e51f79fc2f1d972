"""The style transfer as it ships, with the numpy that TensorBoard brings, and torch where its wheel lies."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from gpubox.boxes.jobs.templates import all_shipped, named
from tests.components import served, torch_part
from tests.hang import LIMIT


def paint(python: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a job gets it: its files in a folder, and words behind."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    for name, text in named("style-transfer", all_shipped()).files.items():
        (files / name).write_text(text)
    command = [python, str(files / "style_transfer.py"), *words]
    # torch is read twice as fast where Python may keep what it compiled.
    saved = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        command, cwd=folder, env=saved, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def said(done: subprocess.CompletedProcess[str], what: str) -> str:
    found = re.search(rf"^{what} +(.*)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout + done.stderr
    return found[1]


def test_without_a_framework_it_says_so_and_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    bare = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")],
        capture_output=True,
        check=False,
    )
    assert bare.returncode == 0
    done = paint(str(tmp_path / "env" / "bin" / "python"), tmp_path)
    assert done.returncode == 3
    assert "has none of: torch, tensorflow, jax, numpy" in said(done, "no framework")


@pytest.mark.parametrize("words", [["--size", "big"], ["--size", "8x8"], ["--passes", "0"]])
def test_wrong_words_end_it_before_any_work(words: list[str], tmp_path: Path) -> None:
    done = paint(sys.executable, tmp_path, *words)
    assert done.returncode == 2
    assert "wants" in done.stderr


@pytest.mark.parametrize(("python", "name"), [(served.python, "numpy"), (torch_part.python, "torch")])
def test_it_paints_the_same_picture_twice(python: object, name: str, tmp_path: Path) -> None:
    assert callable(python)
    words = ("--framework", name, "--device", "cpu", "--size", "101x67")
    runs = [paint(str(python()), tmp_path, *words, "--out", f"{place}.png") for place in range(2)]
    assert [done.returncode for done in runs] == [0, 0], runs[0].stderr
    assert said(runs[0], "framework").startswith(name)
    assert said(runs[0], "device").startswith("CPU")
    assert said(runs[0], "checksum") == said(runs[1], "checksum")
    means = [float(part) for part in said(runs[0], "mean color").split(",")]
    assert means == pytest.approx([104.8, 73.3, 158.1], abs=0.2)  # the same with every framework
    data = (tmp_path / "0.png").read_bytes()
    assert struct.unpack(">II", data[16:24]) == (101, 67)
    length = struct.unpack(">I", data[33:37])[0]
    assert len(zlib.decompress(data[41 : 41 + length])) == 67 * (1 + 3 * 101)


def test_a_gpu_that_is_demanded_and_not_there_ends_it_before_any_work(tmp_path: Path) -> None:
    done = paint(served.python(), tmp_path, "--framework", "numpy", "--device", "gpu")
    assert done.returncode == 4
    assert "numpy sees none" in said(done, "no GPU")
