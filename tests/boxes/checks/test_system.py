"""Checks of the operating system, by the facts of machines as they are found."""

from __future__ import annotations

import time

import pytest

from gpubox.boxes.checks.check import CannotLook, Outcome
from gpubox.boxes.checks.system.facts import (
    DesktopSleep,
    DiskHealth,
    LaptopClock,
    SystemFacts,
    Updates,
)
from gpubox.boxes.context import BoxContext
from gpubox.core.errors import Dropped
from gpubox.core.shell import CommandResult
from gpubox.core.target import Target
from tests.boxes.checks.facts import judge
from tests.boxes.checks.machines import HOSTILE, G, disk, system
from tests.boxes.scripted import ScriptedShell

OK, HINT, WARNING = Outcome.OK, Outcome.HINT, Outcome.WARNING
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (system("6.8.0-50-generic", kernels=("6.8.0-45-generic", "6.8.0-50-generic")), OK),
        (system("6.8.0-45-generic", kernels=("6.8.0-45-generic", "6.8.0-50-generic")), WARNING),
        (system("6.12.1-arch1-1", kernels=("6.12.4-arch1-1",)), WARNING),  # Arch removes the old
        (system("6.8.0-50-generic", kernels=("6.8.0-50-generic", "6.8.0-60-lowlatency")), OK),
        (
            system(
                "6.8.0-45-generic", kernels=("6.8.0-45-generic", "6.8.0-50-generic", "6.8.0-60-lowlatency")
            ),
            WARNING,  # the other flavor hides no update
        ),
        (system("6.1.0", reboot=True, reboot_packages=("libc6",)), WARNING),
        (system("6.1.0-host", kernels=("6.1.0-other",), container="docker"), OK),
        (system("6.1.0"), OK),
    ],
)
def test_a_pending_reboot_is_noticed(facts: SystemFacts, outcome: Outcome) -> None:
    assert judge("system.reboot", facts).outcome is outcome


@pytest.mark.parametrize(
    ("facts", "memory", "swap"),
    [
        (system(memory=16 * G, available=12 * G, swap=0), OK, HINT),
        (system(memory=128 * G, available=2 * G, swap=0), WARNING, OK),
        (system(memory=16 * G, available=12 * G, swap=2 * G), OK, OK),
        (system(), UNKNOWN, UNKNOWN),
        (system(memory=G, available=G, swap=0, container="docker", systemd=False), OK, NOT_HERE),
    ],
)
def test_memory_and_swap_are_judged_together(facts: SystemFacts, memory: Outcome, swap: Outcome) -> None:
    assert judge("system.memory", facts).outcome is memory
    assert judge("system.swap", facts).outcome is swap


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (system(synced=True, clock_clients=("chronyd",)), OK),
        (system(synced=True), OK),
        (system(synced=False), WARNING),
        (system(synced=False, clock_clients=("chronyd",)), WARNING),
        (system(clock_clients=("systemd-timesyncd",)), OK),
        (system(), UNKNOWN),
        (system(synced=False, container="docker", systemd=False), NOT_HERE),
    ],
)
def test_a_clock_that_nobody_corrects_is_noticed(facts: SystemFacts, outcome: Outcome) -> None:
    assert judge("system.time", facts).outcome is outcome


@pytest.mark.parametrize(
    ("offset", "uncertainty", "outcome", "said"),
    [
        (0.01, 0.02, OK, "0.0 s"),
        (-3.0, 4.0, OK, "slow link"),
        (5.0, 0.1, HINT, "5.0 s ahead of"),
        (-3600.0, 0.1, WARNING, "1h 00m behind"),
    ],
)
def test_clocks_that_differ_are_noticed(
    offset: float, uncertainty: float, outcome: Outcome, said: str
) -> None:
    result = judge("system.clock", LaptopClock(offset, uncertainty), system(synced=True))
    assert result.outcome is outcome
    assert said in result.text
    assert outcome is OK or "this machine" in result.step, "the box is right, by the network"


def test_the_time_of_the_box_lies_between_the_question_and_the_answer() -> None:
    clock = LaptopClock.between(1000.0, 1000.4, b"Welcome!\n1005.200000000\n")
    assert clock.offset == pytest.approx(5.0)
    assert clock.uncertainty == pytest.approx(0.2)
    rough = LaptopClock.between(1000.0, 1000.4, b"1000.N\n")  # a date without nanoseconds
    assert rough.uncertainty == pytest.approx(0.7)


async def test_the_box_is_asked_for_its_time_over_the_open_link() -> None:
    shell, context = ScriptedShell(), BoxContext(Target("box", "ssh"))
    shell.answer = lambda _: CommandResult(0, None, f"hello\n{time.time() + 100:.9f}\n".encode(), b"")
    with pytest.raises(Dropped):
        await LaptopClock.gather(context)
    context.shell.put(shell)
    clock = await LaptopClock.gather(context)
    assert shell.commands == ["date +%s.%N"]
    assert abs(clock.offset - 100) <= clock.uncertainty + 0.001


@pytest.mark.parametrize("answer", [b"", b"date: illegal option\n", "\u0661\u0662\n".encode(), b"9" * 5000])
def test_an_answer_without_a_time_is_none(answer: bytes) -> None:
    with pytest.raises(CannotLook):
        LaptopClock.between(1000.0, 1000.4, answer)


@pytest.mark.parametrize(
    ("updates", "outcome", "said"),
    [
        (Updates("apt", True, 12, 3, 3600.0), OK, "installed by themselves"),
        (Updates("apt", False, 12, 3, 3600.0), WARNING, "3 of them for security"),
        (Updates("apt", False, 0, 0, 3600.0), HINT, "none is installed by itself"),
        (Updates("apt", None, 0, 0, 40 * 86400.0), WARNING, "Nobody looked for updates for 40d"),
        (Updates("apt", True, None, None, 3600.0), OK, "Security updates are installed"),
        (Updates("dnf", False), HINT, "is not known"),
        (Updates("pacman", None, 140, None, 3600.0), OK, "140 updates wait"),
        (Updates("pacman", None, 140, None, 90 * 86400.0), WARNING, "Nobody looked for updates for 90d"),
        (Updates("pacman"), UNKNOWN, "can be read"),
        (Updates("zypper"), UNKNOWN, "zypper"),
        (Updates(), UNKNOWN, "its package manager"),
        (None, UNKNOWN, "in time"),
    ],
)
def test_waiting_updates_are_counted(updates: Updates | None, outcome: Outcome, said: str) -> None:
    result = judge("system.updates", system(updates=updates))
    assert result.outcome is outcome
    assert said in result.text


@pytest.mark.parametrize(
    ("facts", "kill", "linger"),
    [
        (system(kill_user_processes="no", linger=True), OK, OK),
        (system(kill_user_processes="yes"), WARNING, HINT),
        (system(kill_user_processes="yes", linger=True), HINT, OK),
        (system(kill_user_processes="yes", user="root"), OK, HINT),
        (system(), UNKNOWN, HINT),
        (system(systemd=False), NOT_HERE, NOT_HERE),
    ],
)
def test_what_ends_with_the_login_is_found(facts: SystemFacts, kill: Outcome, linger: Outcome) -> None:
    assert judge("system.kill-user-processes", facts).outcome is kill
    assert judge("system.linger", facts).outcome is linger


@pytest.mark.parametrize(
    ("facts", "outcome", "said"),
    [
        (system(can_suspend=True, slept=0.0), OK, "No setting"),
        (system(can_suspend=True, slept=0.0, idle="ignore", lid="suspend"), OK, "No setting"),
        (system(can_suspend=True, slept=7200.0), WARNING, "It slept for 2h 00m"),
        (system(can_suspend=True, slept=7200.0, masked=("suspend.target",)), OK, "cannot fall asleep"),
        (system(can_suspend=True, idle="suspend"), WARNING, "suspend"),
        (system(can_suspend=True, has_lid=True), HINT, "laptop"),
        (system(can_suspend=True, has_lid=True, lid="ignore"), OK, "No setting"),
        (system(can_suspend=True, greeter=True), HINT, "login screen"),
        (system(can_suspend=True, desktop_sleeps=(DesktopSleep("GNOME", "suspend", 1200),)), WARNING, "20m"),
        (system(can_suspend=True, desktop_sleeps=(DesktopSleep("Xfce", "suspend", 1200),)), HINT, "Xfce may"),
        (system(can_suspend=False, idle="suspend"), OK, "kernel cannot"),
        (system(), UNKNOWN, "in time"),
        (system(container="docker", systemd=False), NOT_HERE, "host"),
    ],
)
def test_what_may_put_the_box_to_sleep_is_found(facts: SystemFacts, outcome: Outcome, said: str) -> None:
    result = judge("system.sleep", facts)
    assert result.outcome is outcome
    assert said in result.text


@pytest.mark.parametrize(
    ("log", "outcome"), [("journal", OK), ("syslog", OK), ("memory", HINT), ("", UNKNOWN)]
)
def test_a_log_that_a_reboot_deletes_is_noticed(log: str, outcome: Outcome) -> None:
    assert judge("system.logs", system(log=log)).outcome is outcome


def test_hostile_names_stay_short_and_harmless() -> None:
    broken = DiskHealth(HOSTILE, HOSTILE, False)
    facts = system(
        mounts=(disk(HOSTILE, G, 0, read_only=True),),
        disks=(broken,),
        user=HOSTILE,
        kill_user_processes="yes",
    )
    for check in ("read-only", "inodes", "smart", "linger", "kill-user-processes"):
        result = judge(f"system.{check}", facts)
        assert len(result.text) < 300
        assert "\x1b" not in result.text + result.step
