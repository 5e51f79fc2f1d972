"""A new rule is one row: its finding is on the card, in the table, in `status` and in JSON by itself."""

from __future__ import annotations

import json

import pytest
from textual.widgets import Static

from gpubox.commands.report import as_json, as_lines
from gpubox.common.metrics import GPU
from gpubox.common.rules import table
from gpubox.common.rules.rule import Rule, some
from gpubox.common.severity import Severity
from gpubox.config.settings import Settings, UiSettings
from gpubox.ui.panels.gpus.panel import Gpus
from gpubox.ui.screens.help import HelpScreen
from tests import samples
from tests.ui.fakes import make_app, make_box, until
from tests.ui.stage import on_stage

pytestmark = pytest.mark.usefixtures("clock")

ROW = Rule(
    "gpu-dummy", GPU, "power", some, Severity.WARNING, "draws {power}", "it takes {power} of the mains", "Pay"
)
AS_TABLE, AS_CARDS = (Settings(ui=UiSettings(cards_up_to=most)) for most in (0, 8))


@pytest.fixture(autouse=True)
def _row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RULES", (*table.RULES, ROW))


@pytest.mark.parametrize("chosen", [AS_TABLE, AS_CARDS], ids=["table", "cards"])
async def test_a_new_row_is_seen_in_the_panel(chosen: Settings) -> None:
    async with on_stage(Gpus, samples.training_box(), (140, 20), settings=chosen) as (stage, _):
        assert "! draws 148W" in stage.text


async def test_a_new_row_is_explained_in_the_help() -> None:
    app = make_app(make_box(samples.training_box()))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.focused)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        (static,) = app.screen.query("#help > Static").results(Static)
        said = str(static.render()).splitlines()
        assert "! gpu 0: draws 148W, it takes 148W of the mains → Pay" in said


def test_a_new_row_is_seen_in_status() -> None:
    assert "  draws 148W  " in as_lines("attic", samples.training_box())[1]


def test_a_new_row_is_seen_in_json() -> None:
    found = json.loads(as_json("attic", samples.training_box()))["findings"]
    assert {
        "severity": "warning",
        "code": "gpu-dummy",
        "subject": "gpu 0",
        "title": "draws 148W",
        "text": "it takes 148W of the mains",
        "hint": "Pay",
    } in found
