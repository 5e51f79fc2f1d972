"""The list of processes: order, filter, sums, details, and signals that ask first."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Input

from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.processes import SIGNALS, ProcessSignals
from gpubox.core.errors import RemoteError
from gpubox.core.job import Ignored
from gpubox.core.link_state import Health, Phase
from gpubox.core.sample import Process
from gpubox.ui.draw.table import Table
from gpubox.ui.panels.processes.panel import Processes
from gpubox.ui.panels.processes.signal_chooser import SignalChooser
from gpubox.ui.panels.processes.table import totals
from gpubox.ui.widgets.details import Details
from tests import samples
from tests.parts import gpu_process
from tests.ui.fakes import link_of, until
from tests.ui.stage import Stage, on_stage, same_picture

pytestmark = pytest.mark.usefixtures("clock")


def listed(stage: Stage[Processes]) -> list[int]:
    table: Table[Process] = stage.query_one("#list", Table)
    return [process.pid for process in table.shown]


async def test_processes_on_a_gpu_come_first_the_largest_on_top() -> None:
    async with on_stage(Processes, samples.training_box(), (140, 20)) as (stage, _):
        assert listed(stage)[:4] == [52817, 41233, 60411, 1904]
        text = stage.text
        for said in ("grace", "13.9G", "2h 05m", "tf-gpu", "□ vllm-qwen", "python train.py --model"):
            assert said in text


async def test_an_unknown_value_is_a_dash_and_what_does_not_apply_is_blank() -> None:
    async with on_stage(Processes, samples.training_box(), (140, 20)) as (stage, _):
        lines = stage.text.splitlines()
        jupyter = next(line for line in lines if "jupyter" in line)
        rsync = next(line for line in lines if "rsync" in line)
        assert "–" in jupyter.split("840M")[1][:8]
        assert "–" not in rsync.split("61")[0]


async def test_every_shown_column_can_sort() -> None:
    async with on_stage(Processes, samples.training_box(), (140, 20)) as (stage, pilot):
        table: Table[Process] = stage.query_one("#list", Table)
        seen = {table.sort[0]}
        for _ in table.shown_columns:
            await pilot.press("greater_than_sign")
            seen.add(table.sort[0])
        assert seen == set(table.shown_columns)
        await pilot.press("less_than_sign")
        assert "by GPU-MEM ▲" in (stage.panel.border_subtitle or "")
        assert listed(stage)[0] == 1904


async def test_typing_narrows_the_list_and_escape_shows_it_again() -> None:
    async with on_stage(Processes, samples.training_box()) as (stage, pilot):
        await pilot.press("slash", *"ada pyth")
        assert listed(stage) == [41233]
        assert "1 of 9 · “ada pyth”" in (stage.panel.border_subtitle or "")
        await pilot.press("enter")
        assert stage.query_one("#list").has_focus
        assert listed(stage) == [41233]
        await pilot.press("escape")
        assert len(listed(stage)) == 9
        assert not stage.query_one(Input).display


async def test_a_filter_that_nothing_matches_says_so() -> None:
    async with on_stage(Processes, samples.training_box()) as (stage, pilot):
        await pilot.press("slash", *"zzz")
        assert "No process matches" in stage.text
        await pilot.press("escape")
        assert "No process matches" not in stage.text


async def test_the_list_can_be_of_gpu_processes_only() -> None:
    async with on_stage(Processes, samples.training_box()) as (stage, pilot):
        await pilot.press("a")
        assert listed(stage) == [52817, 41233, 60411, 1904]
        await pilot.press("a")
        assert len(listed(stage)) == 9


async def test_by_user_the_sums_are_shown_and_enter_lists_that_users_processes() -> None:
    async with on_stage(Processes, samples.training_box()) as (stage, pilot):
        await pilot.press("g")
        assert stage.panel.grouped
        ada = next(line for line in stage.text.splitlines() if line.startswith("ada"))
        assert ada.split()[1:3] == ["4", "7.6G"]
        assert ada.rstrip().endswith("0, 1")
        await pilot.press("down", "enter")
        assert not stage.panel.grouped
        assert listed(stage) == [41233, 60411, 77120, 2210]


def test_a_process_on_two_gpus_takes_its_cpu_and_memory_once() -> None:
    one = gpu_process(7, 0, "ada", "python")
    (total,) = totals([one, replace(one, gpu=1)])
    assert (total.processes, total.gpus) == (1, (0, 1))
    assert total.cpu == one.cpu
    assert total.memory == one.memory
    assert total.gpu_memory == 2 * (one.gpu_memory or 0)


async def test_narrow_lists_keep_what_matters_and_drop_the_rest() -> None:
    async with on_stage(Processes, samples.training_box(), (200, 20)) as (stage, _):
        table: Table[Process] = stage.query_one("#list", Table)
        assert len(table.shown_columns) == 11
    async with on_stage(Processes, samples.training_box(), (42, 20)) as (stage, _):
        table = stage.query_one("#list", Table)
        assert table.shown_columns == ("pid", "gpu", "gpu-mem", "command")


async def test_details_show_the_whole_command_and_where_it_runs() -> None:
    async with on_stage(Processes, samples.training_box(), (100, 30)) as (stage, pilot):
        await pilot.press("down", "enter")
        await until(pilot, lambda: stage.window)
        text = stage.window
        assert "/home/ada/anaconda3/envs/tf-gpu/bin/python train.py --model resnet50 --batch-size 96" in text
        for said in ("compute", "running", "10:28:54, 2h 05m ago", "0  GeForce GTX 1070", "93%", "tf-gpu"):
            assert said in text


async def test_details_say_when_the_process_has_ended() -> None:
    async with on_stage(Processes, samples.training_box(), (100, 30)) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(stage.screen, Details))
        stage.panel.box.sample.put(replace(samples.training_box(), processes=()))
        await until(pilot, lambda: "It has ended" in stage.window)
        assert "vllm" in stage.window
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(stage.screen, Details))


class Signaled:
    """Stands in for Box.signal."""

    def __init__(self, error: RemoteError | None = None) -> None:
        self.sent: list[tuple[int, str]] = []
        self.error = error

    async def __call__(self, process: Process, name: str) -> None:
        self.sent.append((process.pid, name))
        if self.error is not None:
            raise self.error


def toasts(stage: Stage[Processes]) -> list[str]:
    return [f"{toast.title}|{toast.message}" for toast in stage._notifications]


async def send(stage: Stage[Processes], pilot: Any, *keys: str) -> None:
    """Open the chooser and press keys in it."""
    await pilot.press("x")
    await until(pilot, lambda: isinstance(stage.screen, SignalChooser))
    await pilot.press(*keys)
    await until(pilot, lambda: not isinstance(stage.screen, SignalChooser))


async def test_the_gentlest_signal_is_offered_first_and_kill_last() -> None:
    assert next(iter(SIGNALS)) == "TERM"
    assert list(SIGNALS)[-1] == "KILL"


async def test_a_signal_is_sent_after_a_yes_that_names_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Signaled()
    async with on_stage(Processes, samples.training_box(), answers=["yes"]) as (stage, pilot):
        monkeypatch.setattr(stage.panel.box.use(ProcessSignals), "send", signal)
        await send(stage, pilot, "enter")
        await until(pilot, lambda: toasts(stage))
        (question,) = stage.asked
        assert question.title == "Send TERM to 52817 python?"
        assert "vllm.entrypoints" in question.text
        assert "grace on GPU 1" in question.text
        assert question.danger
        assert signal.sent == [(52817, "TERM")]
        assert toasts(stage) == ["|Sent TERM to 52817 python"]


@pytest.mark.parametrize("answer", ["no", None])
async def test_without_a_yes_nothing_is_sent(answer: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = Signaled()
    async with on_stage(Processes, samples.training_box(), answers=[answer]) as (stage, pilot):
        monkeypatch.setattr(stage.panel.box.use(ProcessSignals), "send", signal)
        await send(stage, pilot, "end", "enter")
        await until(pilot, lambda: stage.asked)
        assert stage.asked[0].title == "Send KILL to 52817 python?"
        assert signal.sent == []


async def test_escape_in_the_chooser_asks_nothing() -> None:
    async with on_stage(Processes, samples.training_box()) as (stage, pilot):
        await send(stage, pilot, "escape")
        await pilot.pause()
        assert stage.asked == []


async def test_what_the_box_refuses_is_reported_with_the_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = RemoteError("Not yours", "Process 52817 belongs to grace", "Ask grace, or log in as root")
    async with on_stage(Processes, samples.training_box(), answers=["yes"]) as (stage, pilot):
        monkeypatch.setattr(stage.panel.box.use(ProcessSignals), "send", Signaled(refusal))
        await send(stage, pilot, "enter")
        await until(pilot, lambda: toasts(stage))
        assert toasts(stage) == ["Not yours|Process 52817 belongs to grace\nAsk grace, or log in as root"]


@pytest.mark.parametrize(("answer", "reported"), [("yes", [52817]), ("no", []), (None, [])])
async def test_jobs_ignore_a_process_after_a_yes_that_names_it_and_its_gpu(
    answer: str | None, reported: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored: list[int] = []

    async def ignore(process: Ignored) -> None:
        ignored.append(process.pid)

    async with on_stage(Processes, samples.training_box(), answers=[answer]) as (stage, pilot):
        monkeypatch.setattr(stage.panel.box.use(Jobs), "ignore", ignore)
        await pilot.press("i")
        await until(pilot, lambda: stage.asked)
        await until(pilot, lambda: len(toasts(stage)) == len(reported))
        assert stage.asked[0].title == "Let jobs ignore 52817 python?"
        assert "GPU 1, run by grace" in stage.asked[0].text
        assert ignored == reported


async def test_nothing_can_be_signaled_while_the_link_is_down() -> None:
    async with on_stage(Processes, samples.training_box()) as (stage, pilot):
        assert stage.panel.check_action("signal", ())
        link_of(stage.panel.box).health.put(Health(Phase.WAITING))
        assert not stage.panel.check_action("signal", ())
        await pilot.press("x")
        await pilot.pause()
        assert not isinstance(stage.screen, SignalChooser)


async def test_an_empty_list_says_so_and_offers_nothing() -> None:
    async with on_stage(Processes, replace(samples.training_box(), processes=())) as (stage, pilot):
        assert "No process is listed" in stage.text
        await pilot.press("enter", "x", "greater_than_sign", "g", "g")
        assert len(stage.screen_stack) == 1


@pytest.mark.parametrize("size", [(80, 14), (160, 14)], ids=["80", "160"])
async def test_the_picture_of_the_list(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(Processes, samples.training_box(), size) as (stage, _):
        same_picture(stage, snapshot)


async def test_the_picture_of_a_filter(snapshot: SnapshotAssertion) -> None:
    async with on_stage(Processes, samples.eight_gpus(), (120, 14)) as (stage, pilot):
        stage.query_one(Input).cursor_blink = False
        await pilot.press("slash", *"ada")
        same_picture(stage, snapshot)
