"""What a fix undoes is what it did: nothing of the box from before is lost with it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gpubox.boxes.checks.check import Facts
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.unit_state import UnitState, start_commands
from tests.boxes.checks.facts import judge
from tests.boxes.checks.machines import system

UNIT = "nvidia-persistenced.service"
TIMESYNCD, CHRONYD = "systemd-timesyncd.service", "chronyd.service"
ENABLE = (("systemctl", "enable", "--now"), ("systemctl", "disable", "--now"))
START = (("systemctl", "start"), ("systemctl", "stop"))


def fix(name: str, *facts: Facts) -> Fix | None:
    return judge(name, *facts).fix


def commands(found: Fix | None) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The commands of a fix, each with its undo."""
    assert found is not None
    return [(command.do, command.undo) for command in found.commands]


@pytest.mark.parametrize(
    ("load", "file", "active", "expected"),
    [
        ("loaded", "disabled", "inactive", ENABLE),
        ("loaded", "disabled", "failed", ENABLE),
        ("loaded", "enabled", "inactive", START),  # it was enabled before, and stays so
        ("loaded", "enabled", "failed", START),
        ("loaded", "enabled", "active", None),
        ("loaded", "disabled", "active", None),  # disable --now would stop what ran before
        ("loaded", "static", "inactive", None),
        ("loaded", "enabled-runtime", "inactive", None),
        ("loaded", "indirect", "inactive", None),
        ("masked", "masked", "inactive", None),
        ("not-found", "", "inactive", None),
        ("loaded", "enabled", "activating", None),
    ],
)
def test_a_service_is_started_so_that_the_undo_restores_what_was(
    load: str, file: str, active: str, expected: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> None:
    found = [(one.do, one.undo) for one in start_commands(UnitState(UNIT, load, file, active))]
    assert found == ([((*expected[0], UNIT), (*expected[1], UNIT))] if expected else [])


@pytest.mark.parametrize("name", ["--root=/tmp.service", "a b.service", "x.target", "", "a\n.service"])
def test_a_name_that_is_none_of_a_service_starts_nothing(name: str) -> None:
    assert start_commands(UnitState(name, "loaded", "disabled", "inactive")) == ()


def clock(*units: UnitState) -> Fix | None:
    return fix("system.time", system(synced=False, clock_units=units))


def test_only_the_one_service_of_the_clock_is_started() -> None:
    idle = UnitState(TIMESYNCD, "loaded", "enabled", "inactive")
    assert commands(clock(idle)) == [((*START[0], TIMESYNCD), (*START[1], TIMESYNCD))]
    disabled = replace(idle, file="disabled")
    assert commands(clock(disabled)) == [((*ENABLE[0], TIMESYNCD), (*ENABLE[1], TIMESYNCD))]
    assert clock() is None
    assert clock(disabled, UnitState(CHRONYD, "loaded", "enabled", "failed")) is None


def test_a_target_that_was_masked_before_stays_masked() -> None:
    awake = system(can_suspend=True, idle="suspend", masked=("hibernate.target",))
    targets = ("sleep.target", "suspend.target", "hybrid-sleep.target")
    assert commands(fix("system.sleep", awake)) == [
        (("systemctl", "mask", *targets), ("systemctl", "unmask", *targets))
    ]


@pytest.mark.parametrize(
    "file",
    [
        "",
        "/etc/systemd/logind.conf",
        "/usr/lib/systemd/logind.conf",
        "/etc/systemd/logind.conf.d/50-admin.conf",
        "/usr/lib/systemd/logind.conf.d/98-vendor.conf",
        "/etc/systemd/logind.conf.d/99-gpubox.conf",
    ],
)
def test_the_file_of_the_fix_wins_over_the_one_that_decides_now(file: str) -> None:
    result = judge("system.kill-user-processes", system(kill_user_processes="yes", kill_file=file))
    assert result.fix is not None
    (edit,) = result.fix.files
    folder, _, name = edit.path.rpartition("/")
    assert folder == "/etc/systemd/logind.conf.d"
    assert "/logind.conf.d/" not in file or sorted([file.rpartition("/")[2], name])[-1] == name
    assert edit.path in result.step


@pytest.mark.parametrize("name", ["99-z.conf", "zz-admin.conf", "gpu.conf"])
def test_a_file_that_would_win_over_ours_is_named_and_has_no_fix(name: str) -> None:
    file = f"/etc/systemd/logind.conf.d/{name}"
    for linger in (False, True):
        facts = system(kill_user_processes="yes", kill_file=file, linger=linger)
        result = judge("system.kill-user-processes", facts)
        assert result.fix is None
        assert f"In {file}, below [Login]" in result.step
        assert "the last one wins" in result.step
