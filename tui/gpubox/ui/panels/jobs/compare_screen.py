"""Jobs side by side: figures, speed-ups, and curves on a common axis."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.box import Box
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.jobs.compare.comparison import compare
from gpubox.boxes.jobs.compare.export import export
from gpubox.boxes.jobs.compare.runner import all_last_words
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.core.env import Package
from gpubox.core.errors import ConfigError, GpuBoxError
from gpubox.core.record import Record, Tick
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panels.jobs.compare_graphs import draw_graphs, kinds
from gpubox.ui.panels.jobs.compare_table import draw_table
from gpubox.ui.panels.jobs.curves import Curve
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_caption, set_title

_ENDS = {"markdown": "md", "csv": "csv", "json": "json"}
"""Formats of an exported comparison, and the suffixes of their files."""


class CompareScreen(ModalScreen[None]):
    """Fills the screen with a comparison until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "close", "Back", id="compare.close", tooltip="Go back to the list"),
        Binding("g", "graph", "Other curve", id="compare.graph", tooltip="Draw something else of the jobs"),
        Binding("e", "export('markdown')", "Markdown", id="compare.markdown", tooltip="Write a file here"),
        Binding("C", "export('csv')", "CSV", id="compare.csv", tooltip="Write a file for spreadsheets here"),
        Binding("J", "export('json')", "JSON", id="compare.json", tooltip="Write all of it as JSON here"),
        Binding("question_mark,f1", "app.help", "Help", id="compare.help", tooltip="Explain what is here"),
    ]
    HELP = """\
Runs of one command in one environment are one side; its figures are their means. A run that did not end with
exit code 0 has no speed; its figures stand in parentheses. The curves begin at the start of each job and
share one axis of time.
"""
    DEFAULT_CSS = """
    CompareScreen {
        & #comparison {
            height: 1fr;
            border: round $border;
            border-title-style: bold;
            border-subtitle-color: $text-muted;
            padding: 0 1;
        }
        & #graphs { height: auto; max-height: 40%; margin: 1 0 0 0; }
        & #figures { height: 1fr; }
    }
    """

    def __init__(self, box: Box, records: Sequence[Record]) -> None:
        super().__init__()
        self.box = box
        self.records = tuple(records)
        """The compared records."""
        self.comparison = compare(self.records)
        """Their comparison; includes packages once these are loaded."""
        self._ticks: dict[str, tuple[Tick, ...]] = {}
        self._kind = 0
        self._figures = LineView(self._draw_figures, id="figures")
        self._graphs = LineView(self._draw_graphs, id="graphs")
        self._graphs.can_focus = False
        self._frame = Vertical(self._figures, self._graphs, id="comparison")

    def compose(self) -> ComposeResult:
        """Compose the table and the curves."""
        yield self._frame
        yield KeyFooter()

    def on_mount(self) -> None:
        """Set the titles, and load the curves."""
        sides = self.comparison.sides
        names = ", ".join(side.label for side in sides)
        set_title(self._frame, f"Compare {names}")
        runs = len(self.records)
        words = ["SIMULATED"] if any(gpu.simulated for one in self.records for gpu in one.gpus) else []
        words += [self.box.name, *([f"{runs} jobs"] if runs > len(sides) else [])]
        set_caption(self._frame, " · ".join(words))
        self._figures.focus()
        self.run_worker(guarded(self, self._load()), exit_on_error=False)

    async def _load(self) -> None:
        """Load the curves of the newest run of each side, then the packages."""
        for side in self.comparison.sides:
            self._ticks[side.last.id], _ = await self.box.use(Jobs).ticks(side.last.id)
        self._graphs.redraw()
        self._graphs.refresh(layout=True)
        self.refresh_bindings()
        packages = await self._packages()
        said = await all_last_words(self.box.use(Jobs), self.records)
        if packages or said:
            self.comparison = compare(self.records, packages, said)
            self._figures.redraw()

    async def _packages(self) -> Mapping[str, Sequence[Package]]:
        """Return the packages of the environments, if they are known and differ."""
        prefixes = {record.spec.prefix for record in self.records if record.spec.prefix}
        envs = self.box.use(Environments).feed.value
        if len(prefixes) < 2 or envs is None:
            return {}
        known = [env for env in envs.envs if env.prefix in prefixes]
        try:
            return {env.prefix: await self.box.use(Environments).packages(env) for env in known}
        except GpuBoxError:
            return {}  # an environment is gone; the figures do not need its packages

    @property
    def _kinds(self) -> list[Curve]:
        return kinds(list(self._ticks.values()))

    def _draw_figures(self, width: int, _height: int) -> Sequence[Line]:
        return draw_table(self.comparison, width)

    def _draw_graphs(self, width: int, _height: int) -> Sequence[Line]:
        drawn = self._kinds
        if not drawn:
            return []
        sides = self.comparison.sides
        rows = 2 + len(sides) * (3 if self.size.height >= 36 else 1)
        ticks = [self._ticks.get(side.last.id, ()) for side in sides]
        return draw_graphs([side.label for side in sides], ticks, drawn[self._kind % len(drawn)], width, rows)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: other curves need some."""
        return action != "graph" or len(self._kinds) > 1

    def action_graph(self) -> None:
        """Draw the next kind of curve."""
        self._kind += 1
        self._graphs.redraw()

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()

    def action_export(self, form: str) -> None:
        """Write the comparison to a file of this machine, and show its path."""
        self.run_worker(guarded(self, self._export(form)), exit_on_error=False)

    async def _export(self, form: str) -> None:
        path = Path.cwd() / f"comparison-{time.strftime('%Y%m%d-%H%M%S')}.{_ENDS[form]}"
        try:
            with path.open("x", encoding="utf-8") as file:  # never overwrites a file
                file.write(export(self.comparison, form))
        except OSError as error:
            raise ConfigError(
                "Not written", f"{path}: {error.strerror}", "Start from another folder"
            ) from error
        self.notify(str(path), title="Written", markup=False)
