"""The box that the service runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.remote.monitor.service.box import Box, boxes
from tests.remote.running import pythons


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box without GPUs, with our own Python."""
    yield from boxes(tmp_path)


@pytest.fixture(params=["oldest", "newest"])
def any_box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    """A box with the oldest and with the newest Python here."""
    found = list(pythons().values())
    yield from boxes(tmp_path, found[0] if request.param == "oldest" else found[-1])


@pytest.fixture
def gpus(library: Callable[[str], Path], tmp_path: Path) -> dict[str, str]:
    """Variables for two simulated GPUs, steered by the file `control`, with the processes in `pids`."""
    return {
        "GPUBOX_NVML_LIB": str(library("")),
        "FAKE_NVML_MODEL": "h100",
        "FAKE_NVML_GPUS": "2",
        "FAKE_NVML_CTL": str(tmp_path / "control"),
        "FAKE_NVML_PIDS": str(tmp_path / "pids"),
    }
