"""Leaving the program: what ends with it is reported before."""

from __future__ import annotations

from msgspec.structs import replace

from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.core.target import Target
from gpubox.ui.panels.jobs.job_screen import JobScreen
from gpubox.ui.quit_confirmation import last_question
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.widgets.key_footer import KeyFooter
from tests.samples import training_box
from tests.ui.channels import MINE, FakeDesktops, FakeTunnels, furnish
from tests.ui.fakes import DEMO, make_app, make_box, until
from tests.ui.jobs import DONE, RUNNING, WAITING, FakeJobs, employ


def test_only_jobs_at_work_on_the_demo_box_are_a_reason_to_ask() -> None:
    def asked(target: Target, jobs: FakeJobs) -> bool:
        return last_question([employ(make_box(training_box(), target=target), jobs)]) is not None

    assert asked(DEMO, FakeJobs(DONE, RUNNING))
    assert asked(DEMO, FakeJobs(WAITING))
    assert not asked(DEMO, FakeJobs(DONE))
    assert not asked(Target("xub", "ssh"), FakeJobs(RUNNING))


def test_open_tunnels_and_a_desktop_of_the_demo_are_reasons_to_ask() -> None:
    box = make_box(training_box())
    assert last_question([box]) is None
    tunnels = FakeTunnels(Tunnel(1, "jupyter", None, TunnelPhase.OPEN, 8888))
    question = last_question([furnish(box, tunnels=tunnels)])
    assert question is not None
    assert "jupyter of xub" in question.text
    stopped = FakeTunnels(Tunnel(1, "jupyter", None, TunnelPhase.STOPPED, 8888))
    assert last_question([furnish(make_box(training_box()), tunnels=stopped)]) is None
    desktops = FakeDesktops(MINE)
    desktops.feed.put((MINE,))
    assert last_question([furnish(make_box(training_box()), desktops)]) is None
    demo = last_question([furnish(make_box(training_box(), target=DEMO), desktops)])
    assert demo is not None
    assert "desktop :1" in demo.text


async def test_ctrl_c_says_in_our_words_what_leaves() -> None:
    app = make_app(make_box(training_box()))
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app._notifications)
        assert [one.message for one in app._notifications] == [
            "q leaves gpubox-tui; in a window or a field, ctrl+q does"
        ]


async def test_the_demo_is_left_only_after_a_yes_while_its_jobs_run() -> None:
    many = [replace(RUNNING, id=f"{n}") for n in range(8)]
    app = make_app(employ(make_box(training_box(), target=DEMO), FakeJobs(*many)))
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        assert isinstance(app.screen, AskScreen)
        assert "and 2 more" in app.screen.question.text
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))
        assert app.is_running
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await pilot.press("y")
        await until(pilot, lambda: not app.is_running)


async def test_q_goes_back_from_a_log_and_asks_at_the_top_while_a_tunnel_is_open() -> None:
    box = employ(make_box(training_box()), FakeJobs(RUNNING))
    furnish(box, tunnels=FakeTunnels(Tunnel(1, "jupyter", None, TunnelPhase.OPEN, 8888)))
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)

        def keys() -> list[str]:
            footers = app.screen.query(KeyFooter)  # a screen that was just pushed has none yet
            shown = [(*here, *general) for here, general in map(KeyFooter.keys, footers)]
            return [f"{key.shown} {key.description}" for keys in shown for key in keys]

        await until(pilot, lambda: "q Quit" in keys())
        await app.push_screen(JobScreen(box, app.settings, RUNNING))
        await until(pilot, lambda: "q Back" in keys())
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        assert isinstance(app.screen, AskScreen)
        assert "jupyter of xub" in app.screen.question.text
        await pilot.press("enter")  # no is what is marked
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))
        assert app.is_running
