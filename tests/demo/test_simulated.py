"""The simulated GPUs: believable, bounded, and tied to processes that are real."""

import ast
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.demo import load, simulated
from tests.demo.cards import BEGAN, Cards, wait_for


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as process:
        yield process
        process.kill()


@pytest.fixture
def cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: "subprocess.Popen[bytes]"
) -> Callable[[str], Cards]:
    """Make cards on which one process does a kind of work."""

    def make(kind: str = "training") -> Cards:
        work = tmp_path / "work.json"
        work.write_text(json.dumps([(sleeper.pid, 1, kind, BEGAN)]))
        return Cards(work, monkeypatch)

    return make


@pytest.mark.parametrize("module", [simulated, load], ids=["simulated", "load"])
def test_the_modules_are_python_3_8_with_the_standard_library_alone(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(), feature_version=(3, 8))
    typing = [
        node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    for node in typing:
        node.body.clear()  # only a type checker reads it
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert simulated.SIMULATED is True


@pytest.mark.parametrize("kind", list(load.KINDS))
@given(age=st.floats(0, 1e6))
def test_a_load_is_always_possible(kind: str, age: float) -> None:
    asked = load.KINDS[kind](age)
    assert 0 <= asked.util <= 1
    assert 0 <= asked.power <= 1.1
    assert 0 <= asked.memory <= 20000


def test_a_training_has_epochs_with_validation_and_checkpoints(cards: Callable[[str], Cards]) -> None:
    box, seen = cards("training"), list[int]()
    for second in range(120, 180):
        box.clock.now = BEGAN + second
        seen.append(box.util(1))
    assert sum(util > 90 for util in seen) > 35
    assert all(70 <= util <= 86 for util in seen[50:57])
    assert all(util < 12 for util in seen[57:])


def test_memory_grows_in_steps_at_the_beginning(cards: Callable[[str], Cards]) -> None:
    box, seen = cards("training"), list[int]()
    for second in range(12):
        box.clock.now = BEGAN + second
        seen.append(box.used(1) >> 20)
    assert seen == sorted(seen)
    assert len(set(seen)) == 4


def test_heat_and_fan_follow_slowly(
    cards: Callable[[str], Cards], sleeper: "subprocess.Popen[bytes]"
) -> None:
    box = cards("training")
    box.clock.now = BEGAN + 300
    warm = box.number("nvmlDeviceGetTemperature", 1, 0)
    fan = box.number("nvmlDeviceGetFanSpeed", 1)
    sleeper.kill()
    sleeper.wait()
    box.clock.now += 1
    assert box.util(1) == 0
    after = box.number("nvmlDeviceGetTemperature", 1, 0)
    assert 55 < after < warm < 75
    box.clock.now += 120
    assert box.number("nvmlDeviceGetTemperature", 1, 0) < 45
    assert box.number("nvmlDeviceGetFanSpeed", 1) < fan


def test_a_new_probe_goes_on_where_the_last_one_was(cards: Callable[[str], Cards]) -> None:
    first = cards("sweep")
    for second in range(0, 400, 2):
        first.clock.now = BEGAN + second
        first.util(1)
    second = cards("sweep")
    second.clock.now = first.clock.now
    assert (
        abs(first.number("nvmlDeviceGetTemperature", 1, 0) - second.number("nvmlDeviceGetTemperature", 1, 0))
        <= 1
    )
    assert first.util(1) == second.util(1)


def test_a_process_that_is_gone_takes_load_and_memory_with_it(
    cards: Callable[[str], Cards], sleeper: "subprocess.Popen[bytes]"
) -> None:
    box = cards("training")
    box.clock.now = BEGAN + 100
    assert (box.util(1) > 20, box.used(1) > 2**34) == (True, True)
    sleeper.kill()  # it stays a zombie until somebody waits for it
    wait_for(lambda: load.state(sleeper.pid) == "")
    box.clock.now += 1
    assert (box.util(1), box.used(1), box.call("nvmlDeviceGetComputeRunningProcesses", 1)) == (0, 0, [])


def test_a_stopped_process_keeps_its_memory_and_does_nothing(
    cards: Callable[[str], Cards], sleeper: "subprocess.Popen[bytes]"
) -> None:
    box = cards("training")
    box.clock.now = BEGAN + 100
    sleeper.send_signal(signal.SIGSTOP)
    wait_for(lambda: load.state(sleeper.pid) == "T")
    assert box.util(1) == 0
    assert box.used(1) > 2**34
    with pytest.raises(Exception, match="Not Found"):
        box.call("nvmlDeviceGetProcessUtilization", 1, 0)


def test_the_old_card_lacks_what_the_real_one_lacks(cards: Callable[[str], Cards]) -> None:
    box = cards("training")
    for name in ("TotalEccErrors", "RemappedRows", "RetiredPages", "MigMode", "FieldValues"):
        with pytest.raises(Exception, match="Not Supported") as caught:
            box.call(f"nvmlDeviceGet{name}", 0, 0, 0)
        assert caught.value.value == 3  # type: ignore[attr-defined]
    assert not hasattr(box.nvml, "nvmlLib")


def test_power_stays_under_the_limit_and_the_cap_is_reported(cards: Callable[[str], Cards]) -> None:
    box, capped = cards("training"), 0
    for second in range(60, 300, 3):
        box.clock.now = BEGAN + second
        watts = box.number("nvmlDeviceGetPowerUsage", 1)
        assert 15_000 <= watts <= box.number("nvmlDeviceGetEnforcedPowerLimit", 1)
        capped += box.number("nvmlDeviceGetCurrentClocksEventReasons", 1) == 4
    assert 0 < capped < 60


def test_without_work_the_cards_are_idle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    work = tmp_path / "work.json"
    work.write_text("[]")
    box = Cards(work, monkeypatch)
    assert [box.util(index) for index in (0, 1, 2)] == [0, 0, 0]
    assert box.number("nvmlDeviceGetCurrentClocksEventReasons", 0) == 1
    assert box.number("nvmlDeviceGetPerformanceState", 0) == 8
