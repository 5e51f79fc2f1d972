"""A new part is one file or one row: each appears where a user looks for it, and no list has to name it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gpubox import cli, commands
from gpubox.boxes.checks import system as checks_of_system
from gpubox.boxes.desktops import discovery, servers
from gpubox.boxes.desktops.remote_script import SEPARATOR, ScriptLine
from gpubox.boxes.jobs import backends
from gpubox.boxes.jobs.backend import queues
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.commands.report import as_json, as_lines
from gpubox.common.metrics import GPU
from gpubox.common.rules import table
from gpubox.common.rules.rule import Rule, some
from gpubox.common.severity import Severity
from gpubox.core.feed import Feed
from gpubox.core.record import Record
from gpubox.ui import panels
from gpubox.ui.panels.jobs.details import draw_head
from gpubox.ui.panels.jobs.draft import Draft
from gpubox.ui.panels.jobs.fields import Context, choices
from gpubox.ui.panels.jobs.form import JobForm
from gpubox.ui.panels.jobs.queue_window import draw_queues
from tests.commands.run import environment, here
from tests.hang import LIMIT
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until

PANEL = """
from gpubox.ui.panel import Panel

class DummyPanel(Panel, can_focus=True):
    NAME, TITLE, ORDER, PLACE, HELP = "dummy", "Dummy", 9, "main", "Shows nothing."

    def render(self) -> str:
        return "what a dummy shows"
"""
BACKEND = """
from gpubox.boxes.jobs.backends import BackendKind, BackendOption
from gpubox.boxes.jobs.queue_view import QueueView, QueueRow
from gpubox.core.feed import Feed

def make(box, supervised):
    from gpubox.boxes.jobs.box_backend import BoxBackend

    class Dummy(BoxBackend):
        def __init__(self):
            self.queue = Feed(QueueView(queue=(QueueRow("7", "RUNNING", name="of-another"),)))

    return Dummy()

LANES = BackendOption("lane", "Lane", "where it waits", "any lane", lambda view: [("fast", "3 before you")])
BACKEND = BackendKind("dummy", "Dummy", "a dummy runs it", make, (LANES,))
"""
COMMAND = '''
import click

@click.command(short_help="Do what a dummy does.")
def dummy() -> int:
    """Do it."""
    click.echo("done by a dummy")
    return 0
'''
SERVER = """
from gpubox.boxes.desktops.session import VncAddress

class Dummy:
    key, name, programs, brand, physical = "dummy", "DummyVNC", ("Xdummy",), "", False

    def options(self, way):
        return ""

    def read(self, running):
        return VncAddress(display=running.arguments[0])

SERVER = Dummy()
"""
METRIC = """
import json, sys
from gpubox.common import metrics
row = metrics.Metric("dummy", "%", "A dummy", lambda gpu: 42.0, recorded=True, graphed=True)
metrics.METRICS["gpu"] += (row,)
from gpubox.config.settings import Settings
from gpubox.common.series import readings
from gpubox.ui.panels.history.graphs import of_gpu
from tests.samples import training_box
sample = training_box()
print([value for key, value in readings(sample) if key.endswith("/dummy")])
from gpubox.commands.report import as_json
found = json.loads(as_json("box", sample))["metrics"]
print([value for key, value in found.items() if key.endswith("/dummy")])
print([graph.say(42.0) for graph in of_gpu(sample.gpus[0], Settings()) if graph.metric.name == "dummy"])
"""


CHECK = """
from gpubox.boxes.checks.check import Check, hint
from gpubox.boxes.checks.system.facts import SystemFacts

def judge(gathered):
    return hint(f"A dummy saw {gathered.of(SystemFacts).kernel}", "Leave it")

CHECK = Check("system.dummy", "No dummy is here", "Why.", "ls", (SystemFacts,), judge)
"""


Beside = Callable[[ModuleType], Path]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    """Returns a folder in which the finder of a package looks too."""

    def add(package: ModuleType) -> Path:
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        return tmp_path

    _forget()
    yield add
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    """Let the finders look again, and forget the parts that they found."""
    backends.kinds.cache_clear()
    servers.servers.cache_clear()
    for name in [name for name in sys.modules if name.startswith("gpubox.") and ".dummy" in name]:
        del sys.modules[name]


def apart(folder: Path, package: ModuleType, code: str) -> str:
    """What code says in a process of its own, in which one package has a folder more."""
    begin = f"import {package.__name__} as package; package.__path__.append({str(folder)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code], capture_output=True, env=environment(), timeout=LIMIT,
        check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return done.stdout.decode()


async def test_a_panel_is_one_folder(beside: Beside) -> None:
    folder = beside(panels)
    (folder / "dummy").mkdir()
    (folder / "dummy" / "__init__.py").touch()
    (folder / "dummy" / "panel.py").write_text(PANEL)
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "what" in app.export_screenshot() and "Dummy" in app.export_screenshot())
        await pilot.press("9")
        await until(pilot, lambda: app.screen.focused is not None and app.screen.focused.id == "dummy")


async def test_a_job_backend_is_one_file(beside: Beside) -> None:
    folder = beside(backends)
    (folder / "dummy.py").write_text(BACKEND)
    jobs = Jobs("xub", Feed(None), Feed(None))
    views = queues(jobs.backends)
    context = Context("xub", queues=views)
    assert ("dummy", "a dummy runs it") in [(one.text, one.words) for one in choices("backend", context)]
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(120, 40)) as pilot:
        await app.push_screen(JobForm(context, None, "New job"))
        await until(pilot, lambda: app.screen.query("#field-lane"))
    draft = Draft(context, None)
    draft.texts.update(command="true", backend="dummy", lane="fast")
    assert draft.meaning("lane") == "3 before you"
    spec = draft.spec()
    assert (spec.backend, spec.options) == ("dummy", {"lane": "fast"})
    assert any("of-another" in span.text for line in draw_queues(views, 100, "") for span in line)
    record = Record("x", "running", spec, 1.0, queue_id="4711")
    head = " ".join(span.text for line in draw_head(record, 2.0, 100, tall=False) for span in line)
    assert "Dummy 4711 fast" in head


def test_the_options_of_a_job_backend_are_those_of_run(tmp_path: Path) -> None:
    (tmp_path / "dummy.py").write_text(BACKEND)
    words = apart(tmp_path, backends, "from gpubox import cli; cli.run(['run', '--help'])")
    assert "[box|dummy|slurm]" in words
    assert "Dummy only: where it waits." in words


def test_a_command_is_one_file_and_a_row(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    (beside(commands) / "dummy.py").write_text(COMMAND)
    row = cli._Unloaded("dummy", "Do what a dummy does.")  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setitem(cli.cli.commands, "dummy", row)
    assert "Do what a dummy does." in here("--help").out
    assert here("dummy").out == "done by a dummy\n"


def test_a_desktop_server_is_one_file(beside: Beside) -> None:
    folder = beside(servers)
    (folder / "dummy.py").write_text(SERVER)
    line = ScriptLine("process", SEPARATOR.join(("12 1 34 ada Xdummy", "/opt/Xdummy", ":5")))
    (found,) = discovery.read([line])
    assert (found.server, found.display) == ("DummyVNC", ":5")


def test_a_check_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "dummy.py").write_text(CHECK)
    said = apart(
        tmp_path, checks_of_system, "from gpubox import cli; cli.run(['check', 'demo', 'system.dummy'])"
    )
    assert "hint      No dummy is here" in said
    assert f"A dummy saw {os.uname().release}" in said


def test_a_rule_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Rule("gpu-dummy", GPU, "util", some, Severity.WARNING, "Dummy at {util}", "Why")
    monkeypatch.setattr(table, "RULES", (*table.RULES, row))
    sample = training_box()
    assert "Dummy at 97%" in "\n".join(as_lines("xub", sample))
    assert '"code":"gpu-dummy"' in as_json("xub", sample)


def test_a_metric_is_one_row(tmp_path: Path) -> None:
    assert apart(tmp_path, commands, METRIC) == "[42.0, 42.0]\n[42.0, 42.0]\n['42%']\n"
