"""The file of this machine from which an environment is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.boxes.envs import spec_file
from gpubox.boxes.envs.spec_file import read_spec_file
from gpubox.core.errors import ConfigError


async def test_its_text_is_read_from_below_the_home_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "environment.yml").write_text("name: K\u00f6ln\n", "utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert await read_spec_file("~/environment.yml") == "name: K\u00f6ln\n"


async def test_what_is_no_such_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_file, "LARGEST", 10)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 11)
    (tmp_path / "whole").write_bytes(b"x" * 10)
    os.mkfifo(tmp_path / "pipe")  # who opens it for reading waits for a writer forever
    for name, words in (
        ("none", "No such file"), ("bytes", "utf-8"), ("large", "larger than"), ("pipe", "is not a file"),
        (".", "is not a file"), ("a\0b", "null byte"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            await read_spec_file(str(tmp_path / name))
    assert await read_spec_file(str(tmp_path / "whole")) == "x" * 10
    with pytest.raises(ConfigError):
        await read_spec_file("~nobody-of-this-name/x")
