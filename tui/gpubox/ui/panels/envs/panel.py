"""The environments of the box: list, choose, inspect, compare, create and change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.boxes.envs.envs import Environments
from gpubox.config.settings import Settings
from gpubox.core.env import Env
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import program
from gpubox.ui.draw.spans import Line, Tone, wrapped
from gpubox.ui.draw.table import REVERSE, SORT, Table
from gpubox.ui.error_boundary import guarded
from gpubox.ui.list_panel import ExplainedListPanel
from gpubox.ui.panels.envs.actions import ASKING, VERBS, EnvActions
from gpubox.ui.panels.envs.packages import EnvPackages
from gpubox.ui.panels.envs.table import COLUMNS, EnvRow, rows, why
from gpubox.ui.poller import live
from gpubox.ui.widgets.titles import set_caption

_ON_ONE = (*VERBS, "use", "details", "mark", "clone")
"""Actions on the environment under the cursor."""
_LIVE = frozenset({*VERBS, "details", "new", "clone", "compare"})
"""Actions that need the link."""
_WHOLE = frozenset({"use", "install", "see", "export", "rename", "clone"})
"""Actions that a broken environment cannot do."""


class EnvsPanel(ExplainedListPanel[EnvRow]):
    """One list of all environments."""

    NAME = "envs"
    TITLE = "Environments"
    ORDER = 7
    PLACE = "main"
    ROWS = 6
    WAITS = True
    OFFERED = (*_ON_ONE, "new", "compare", "clear")
    HELP = """\
conda, venv, uv and pixi environments, found without running any of them. `●` is the one that shells and jobs
of this box use; `enter` takes another. **BUILT FOR** is what its frameworks say; whether they really see the
GPUs is answered by `g`. Mark two with `space` and `c` shows in which packages they differ.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "use", "Use", id="envs.use", tooltip="Use it for shells and jobs, or no longer"),
        Binding("d", "details", "Packages", id="envs.details", tooltip="Show what is installed in it"),
        Binding(
            "g", "do('see')", "Sees GPUs?", id="envs.see", tooltip="Have its framework look for the GPUs"
        ),
        Binding("n", "new", "New", id="envs.new", tooltip="Make one: packages, a file, or a copy"),
        Binding("space", "mark", "Mark", id="envs.mark", tooltip="Choose it to be compared with another"),
        Binding("c,equals_sign", "compare", "Differences", id="envs.compare", tooltip="Show what differs"),
        Binding("i", "do('install')", "Install", id="envs.install", tooltip="Install packages into it"),
        Binding(
            "x", "do('remove')", "Remove", id="envs.remove", tooltip="Delete it; asks for its name before"
        ),
        Binding("R", "do('rename')", "Rename", id="envs.rename", tooltip="Give it another name"),
        Binding("E", "do('export')", "Export", id="envs.export", tooltip="Write what is in it into a file"),
        Binding("C", "clone", "Clone", id="envs.clone", tooltip="Make one that is the same", show=False),
        Binding("z", "do('size')", "Size", id="envs.size", tooltip="Count the bytes it takes on the disk"),
        replace(SORT, id="envs.sort"),
        replace(REVERSE, id="envs.reverse"),
        Binding("escape", "clear", "Unmark", id="envs.clear", tooltip="Mark none any more"),
    ]

    def __init__(self, box: Box, settings: Settings) -> None:
        self._envs = box.use(Environments)
        listed: Table[EnvRow] = Table(COLUMNS, lambda row: row.key, sort="name", empty="", id="list")
        super().__init__(box, settings, self._envs.find, listed)
        self._marked: set[str] = set()
        self._verbs = EnvActions(self, box, self._envs.find)

    def on_mount(self) -> None:
        """Follow what is known, and the jobs that change it."""
        self._follow(self._envs.feed)
        self._follow(self._envs.chosen)
        self._follow(self._envs.trouble)
        self.run_worker(guarded(self, self._verbs.follow(self._poller.soon)), exit_on_error=False)

    @property
    def chosen(self) -> Env | None:
        """The environment under the cursor."""
        return self._list.chosen.env if self._list.chosen is not None else None

    @property
    def marked(self) -> list[Env]:
        """The environments that are marked."""
        return [row.env for row in self._list.shown if row.marked]

    def _show(self) -> None:
        """Draw the present state."""
        if not self.seen:
            return
        self._list.empty = self._empty("No environment was found · n makes one")
        envs = self._envs
        if envs.feed.value is not None and not envs.feed.value.partial:
            self._marked &= {env.prefix for env in envs.feed.value.envs}
        self._list.show(rows(envs.feed.value, envs.chosen.value, self._marked, self.sample))
        set_caption(self, self._subtitle())
        self._explain()

    def _subtitle(self) -> str:
        envs, used = self._envs.feed.value, self._envs.chosen.value
        parts = [clean(what, 60) + " …" for what in self._verbs.busy.values()][:1]
        parts += ["looking …"] if self._poller.long and envs is not None else []
        parts += [f"{len(envs.envs)} found"] if envs is not None and envs.envs else []
        parts += [f"{len(self.marked)} marked"] if self.marked else []
        parts += [f"uses {clean(used.name, 30)}"] if used is not None else []
        parts += [clean(envs.modules, 30)] if envs is not None and envs.modules else []
        return " · ".join(parts)

    def _draw_why(self, width: int, _height: int) -> Sequence[Line]:
        row = self._list.chosen
        trouble = self._envs.trouble.value or (self._poller.trouble if self._list.shown else None)
        lines = wrapped(clean(str(trouble)), width, "warn", most=2) if trouble is not None else list[Line]()
        envs = self._envs.feed.value
        if envs is not None and envs.partial and not lines:
            lines = wrapped(clean(envs.partial, 200), width, "warn", most=2)
        for text in why(row) if row is not None else ():
            tone: Tone = "warn" if text.startswith("Broken") else "muted"
            lines += wrapped(text, width, tone, most=2)
        return lines[:3]

    def watch_sample(self) -> None:
        """Update the driver's CUDA version and the ages from the newest sample."""
        if self.is_mounted:
            self._show()

    def on_table_opened(self) -> None:
        """Show the packages of the environment that was double-clicked."""
        self.action_details()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        action = str(parameters[0]) if action == "do" else action
        if action in _LIVE and not live(self):
            return False
        if action == "compare":
            return len(self.marked) == 2
        if action == "clear":
            return bool(self._marked)
        if action in _ON_ONE:
            env = self.chosen
            return env is not None and not (env.broken and action in _WHOLE)
        return True

    def action_use(self) -> None:
        """Use the environment for shells and jobs of this box, or stop using it."""
        env, used = self.chosen, self._envs.chosen.value
        if env is None:
            return
        again = used is not None and used.prefix == env.prefix
        words = "No environment is used now" if again else f"Shells and jobs use {clean(env.name, 60)} now"
        self.attempt(self._envs.use(None if again else env), words)

    def action_mark(self) -> None:
        """Mark or unmark the environment, and move to the next."""
        if (env := self.chosen) is not None:
            self._marked ^= {env.prefix}
            self._list.action_move(1)
            self._show()

    def action_clear(self) -> None:
        """Remove all marks."""
        self._marked.clear()
        self._show()

    def action_details(self) -> None:
        """Show the packages of the environment."""
        if (env := self.chosen) is None:
            return
        if env.broken and not env.packages:
            self.notify(f"{clean(env.name, 40)} is broken: {clean(env.broken, 200)}", markup=False)
        else:
            program(self).push_screen(EnvPackages(self.box, [env]))

    def action_compare(self) -> None:
        """Show the differences between the packages of the two marked environments."""
        if len(self.marked) == 2:
            program(self).push_screen(EnvPackages(self.box, self.marked))

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._list.sort_by_next()

    def action_reverse(self) -> None:
        """Sort the other way."""
        self._list.reverse()

    def action_new(self) -> None:
        """Ask for a new environment, and create it."""
        self.open_window(lambda: self._verbs.new(None))

    def action_clone(self) -> None:
        """Ask for the name of a copy, and create it."""
        env = self.chosen
        self.open_window(lambda: self._verbs.new(env))

    def action_do(self, verb: str) -> None:
        """Run an action on the environment under the cursor."""
        if (env := self.chosen) is None:
            return
        work = partial(self._verbs.verbs[verb], env)
        if verb in ASKING:
            self.open_window(work)
        else:
            self.attempt(work())
