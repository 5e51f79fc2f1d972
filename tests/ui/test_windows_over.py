"""Windows over the panels: the panels stay to be seen behind those that do not fill the screen."""

from __future__ import annotations

from gpubox.core.env import Env
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.job import JobScreen
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.env_form import EnvForm
from gpubox.ui.widgets.env_packages import EnvPackages
from tests.samples import training_box
from tests.ui.envs import FakeEnvs, equip
from tests.ui.fakes import make_app, make_box, until
from tests.ui.jobs import RUNNING, FakeJobs, employ


async def test_the_panels_are_seen_behind_a_window_and_not_drawn_behind_a_whole_screen() -> None:
    box = equip(employ(make_box(training_box()), FakeJobs(RUNNING)), FakeEnvs())
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)
        windows = (
            Details("GPU 0", box.sample, lambda _width, _height: []),
            EnvForm("xub", ()),
            EnvPackages(box, (Env("/envs/a", "a", "conda"),)),
        )
        for window in windows:
            await app.push_screen(window)
            assert 0 < window.styles.background.a < 1
            await pilot.press("escape")
        whole = JobScreen(box, app.settings, RUNNING)
        await app.push_screen(whole)
        assert whole.styles.background.a == 1
