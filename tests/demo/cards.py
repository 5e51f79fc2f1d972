"""The simulated GPUs as the probe loads them."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from gpubox.demo import simulated
from tests.hang import LIMIT

FILE = Path(simulated.__file__)
BEGAN = 1_700_000_000.0


class Clock:
    """The time that the simulated module sees."""

    def __init__(self) -> None:
        self.now = BEGAN

    def time(self) -> float:
        """The moment it is."""
        return self.now


class Cards:
    """The module as the probe loads it, with a clock that a test moves."""

    def __init__(self, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GPUBOX_DEMO_WORK", str(work))
        self.nvml = ModuleType("pynvml")
        self.nvml.__file__ = str(FILE)
        exec(compile(FILE.read_text(), str(FILE), "exec"), self.nvml.__dict__)
        self.clock = Clock()
        self.nvml.__dict__["time"] = self.clock

    def call(self, name: str, index: int, *arguments: object) -> object:
        """Ask one card something."""
        return getattr(self.nvml, name)(self.nvml.nvmlDeviceGetHandleByIndex(index), *arguments)

    def number(self, name: str, index: int, *arguments: object) -> int:
        """Ask one card for a number."""
        value = self.call(name, index, *arguments)
        assert isinstance(value, int)
        return value

    def util(self, index: int) -> int:
        """How busy a card is."""
        return self.call("nvmlDeviceGetUtilizationRates", index).gpu  # type: ignore[attr-defined]

    def used(self, index: int) -> int:
        """How much of its memory is taken."""
        return self.call("nvmlDeviceGetMemoryInfo", index).used  # type: ignore[attr-defined]


def wait_for(done: Callable[[], bool], seconds: float = LIMIT) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
