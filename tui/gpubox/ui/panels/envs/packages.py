"""Windows of packages: those of one environment, or the differences between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.box import Box
from gpubox.boxes.envs.diff import differ
from gpubox.boxes.envs.envs import Environments
from gpubox.core.env import Env, Package
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span, Tone
from gpubox.ui.draw.table import Column, Table
from gpubox.ui.error_boundary import guarded
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.list_filter import ListFilter
from gpubox.ui.widgets.titles import set_caption, set_title


@dataclass(frozen=True, slots=True)
class Pair:
    """One package in one or two environments."""

    name: str
    sides: tuple[Package | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the environments have different versions or builds of it."""
        return any(differ(one, self.sides[0]) for one in self.sides)


def pairs(lists: Sequence[Sequence[Package]]) -> list[Pair]:
    """Return every package with its version in each environment, by name."""
    known = [{package.name: package for package in packages} for packages in lists]
    names = sorted({name for each in known for name in each}, key=str.lower)
    return [Pair(name, tuple(each.get(name) for each in known)) for name in names]


class EnvPackages(ModalScreen[None]):
    """Shows the packages of one environment, or those that differ between two."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="env-packages.close", tooltip="Drop the filter, or go back"),
        Binding("slash", "filter", "Filter", id="env-packages.filter", tooltip="Show only these packages"),
        Binding("a", "all", "All or differing", id="env-packages.all", tooltip="Show what is alike, too"),
    ]
    DEFAULT_CSS = """
    EnvPackages {
        align: center middle;
        & > Vertical {
            width: 100%;
            max-width: 120;
            height: 92%;
            border: round $border;
            border-title-style: bold;
            background: $surface;
            padding: 0 1;
        }
    }
    """

    def __init__(self, box: Box, envs: Sequence[Env]) -> None:
        super().__init__()
        self._box = box
        self._envs = tuple(envs)
        self._pairs: list[Pair] = []
        self._all = len(envs) == 1
        self._list: Table[Pair] = Table(
            columns(self._envs), lambda pair: pair.name, sort="name", empty="Looking …", id="list"
        )
        self._words = ListFilter("words in the name …", self._show, lambda: self._list)
        self._frame = Vertical(self._list, self._words)

    def compose(self) -> ComposeResult:
        """Compose the window."""
        yield self._frame
        yield KeyFooter()

    def on_mount(self) -> None:
        """Name the environments in the border, and ask for their packages."""
        names = [clean(env.name, 40) for env in self._envs]
        set_title(self._frame, " and ".join(names))
        self._list.focus()
        self.run_worker(guarded(self, self._load()), exit_on_error=False)

    async def _load(self) -> None:
        try:
            self._pairs = pairs([await self._box.use(Environments).packages(env) for env in self._envs])
        finally:
            self._show()

    def _none(self) -> str:
        """Return why no package is shown."""
        broken = next((env for env in self._envs if env.broken), None)
        return f"No package: {clean(broken.name, 40)} is broken" if broken is not None else "No package"

    def _show(self) -> None:
        shown = [
            pair for pair in self._pairs if (self._all or pair.differs) and self._words.admits(pair.name)
        ]
        none = "Nothing differs" if self._pairs else self._none()
        self._list.empty = "Nothing matches" if self._words.text else none
        self._list.show(shown)
        differ = sum(pair.differs for pair in self._pairs)
        parts = [f"{len(self._pairs)} packages"]
        parts += [f"{differ} differ"] if len(self._envs) > 1 else []
        parts += [f"{len(shown)} shown"] if len(shown) < len(self._pairs) else []
        set_caption(self._frame, " · ".join(parts))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to show equal packages only where two environments are compared."""
        return action != "all" or len(self._envs) > 1

    def action_filter(self) -> None:
        """Ask for words."""
        self._words.ask()

    def action_all(self) -> None:
        """Toggle between all packages and those that differ."""
        self._all = not self._all
        self._show()

    def action_close(self) -> None:
        """Drop the filter; without one, go back."""
        if self._words.used:
            self._words.clear_words()
        else:
            self.dismiss()


def columns(envs: Sequence[Env]) -> list[Column[Pair]]:
    """Return the columns for one environment, or for several side by side."""
    name: Column[Pair] = Column(
        "name", 24, lambda pair: clean(pair.name, 60), lambda pair: pair.name.lower(), left=True
    )
    if len(envs) == 1:
        return [
            name,
            Column("version", 14, lambda pair: clean(_of(pair).version, 40),
                   lambda pair: _of(pair).version, left=True),
            Column("build", 24, lambda pair: clean(_of(pair).build, 60), lambda pair: _of(pair).build or None,
                   left=True, tone="muted", need=1, grows=True),
            Column("from", 14, lambda pair: clean(_of(pair).source, 40),
                   lambda pair: _of(pair).source or None, left=True, tone="muted", need=2),
        ]  # fmt: skip
    return [name, *(_side(place, env) for place, env in enumerate(envs))]


def _of(pair: Pair) -> Package:
    found = pair.sides[0]
    return found if found is not None else Package(pair.name, "")


def _side(place: int, env: Env) -> Column[Pair]:
    def cell(pair: Pair) -> Line:
        package = pair.sides[place]
        if package is None:
            return (Span("not there", "muted"),)
        tone: Tone = "warn" if pair.differs else "text"
        return (Span(clean(package.version, 40), tone), Span(f" {clean(package.build, 40)}", "muted"))

    def key(pair: Pair) -> str | None:
        package = pair.sides[place]
        return package.version if package is not None else None

    return Column(
        f"side{place}", 22, cell, key, title=clean(env.name, 30).upper(), left=True, grows=not place
    )
