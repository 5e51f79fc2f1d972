"""A window that asks for a new environment, and explains the input while it is typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gpubox.boxes.envs.validation import split_packages, valid_folder, valid_name, valid_packages
from gpubox.core.env import Env, Kind, Root
from gpubox.core.errors import GpuBoxError
from gpubox.core.sanitize import clean
from gpubox.ui.form_keys import BACK, NEXT
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_title

_KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """An environment to create: from packages, from a local file, or as a copy of another one."""

    name: str
    kind: Kind
    where: str
    """The installation (conda) or the project's folder (other kinds); empty takes the first installation."""
    packages: tuple[str, ...] = ()
    file: str = ""
    clone: str = ""


class _WrongField(Exception):
    """The input of one field is invalid."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@contextmanager
def _in(field: str) -> Generator[None]:
    try:
        yield
    except GpuBoxError as error:
        raise _WrongField(
            field, f"{error.text or error.title}{f'. {error.hint}' if error.hint else ''}"
        ) from None


class EnvForm(ModalScreen[EnvSpec | None]):
    """Its result is the spec, or None; it stays open and shows the error when `check` raises GpuBoxError."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "create", "Create", id="new-env.create", tooltip="Make it, as a job", priority=True),
        replace(NEXT, id="new-env.next", tooltip="Go to the next field", show=True),
        BACK,
        Binding("escape", "dismiss(None)", "Close", id="new-env.close", tooltip="Make nothing"),
    ]
    DEFAULT_CSS = """
    EnvForm {
        align: center middle;
        & .wrong { height: auto; padding: 0 1; color: $text-error; display: none; }
        & .wrong.-shown { display: block; }
    }
    """

    def __init__(
        self,
        box: str,
        roots: Sequence[Root],
        begin: Env | None = None,
        check: Callable[[EnvSpec], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__()
        self._check = check
        self._box = box
        self._roots = tuple(root for root in roots if root.flavor not in ("uv", "pixi"))
        self._begin = begin
        kind: Kind = (
            begin.kind if begin is not None else "conda" if any(root.tool for root in self._roots) else "venv"
        )
        self._name = LineInput(id="name", classes="labeled", placeholder="cats")
        self._what = LineInput(
            f"={begin.name}" if begin is not None else "",
            id="what",
            classes="labeled",
            placeholder="python=3.12",
        )
        self._kind = LineInput(kind, id="kind", classes="labeled")
        self._where = LineInput(
            id="where", classes="labeled", placeholder=self._roots[0].path if self._roots else "~/project"
        )
        self._meaning = Static("", id="meaning", markup=False)

    def compose(self) -> ComposeResult:
        """Compose the window."""
        with Vertical(id="question", classes="form"):
            for label, field in (
                ("Name", self._name),
                ("Packages; or @FILE.yml of this machine; or =ENV to clone", self._what),
                ("Kind: conda, venv, uv or pixi", self._kind),
                ("Where: an installation (conda), or the project's folder", self._where),
            ):
                yield Static(label, classes="label", markup=False)
                yield field
                yield Static("", id=f"wrong-{field.id}", classes="wrong", markup=False)
            yield self._meaning
        yield KeyFooter()

    def on_mount(self) -> None:
        """Name the box in the border."""
        frame = self.query_one("#question")
        set_title(frame, "New environment", self._box)
        self._name.focus()

    @property
    def spec(self) -> EnvSpec:
        """The spec that the fields describe; raises _WrongField."""
        name, what = self._name.value.strip(), self._what.value.strip()
        kind, where = self._kind.value.strip().lower(), self._where.value.strip()
        with _in("name"):
            valid_name(name, kind if kind in _KINDS else "venv")
        whole = self._begin is not None and what[1:] == self._begin.name.strip()
        if what.startswith("=") and (whole or " " not in what):
            return EnvSpec(name, "conda", "", clone=what[1:])
        if kind not in _KINDS:
            raise _WrongField("kind", f"The kind is one of {', '.join(_KINDS)}")
        if kind != "conda" and not where:
            raise _WrongField("where", "It needs the folder of its project")
        if kind == "conda" and where and where not in {root.path for root in self._roots}:
            raise _WrongField("where", f"{clean(where, 60)} is no installation that was found on the box")
        if what.startswith("@"):
            return EnvSpec(name, kind, where, file=what[1:].strip())
        with _in("what"):
            packages = valid_packages(split_packages(what))
        if kind != "conda":
            with _in("where"):
                valid_folder(where)
        return EnvSpec(name, kind, where, packages=packages)

    @on(LineInput.Changed)
    def _explain(self) -> None:
        """Explain the input; unfinished input is not an error."""
        self._say("", "")
        try:
            words = meaning(self.spec)
        except _WrongField as error:
            words = f"… {error}" if self._name.value.strip() else ""
        self._meaning.update(Content.styled(words, "$foreground-muted"))

    async def action_create(self) -> None:
        """Close with the spec, or show what is wrong with it."""
        try:
            spec = self.spec
            with _in("what" if spec.file or spec.clone else "kind"):
                if self._check is not None:
                    await self._check(spec)
        except _WrongField as error:
            self._say(error.field, str(error))
        else:
            self.dismiss(spec)

    def _say(self, field: str, words: str) -> None:
        """Show an error below one field, and none below the others."""
        for line in self.query(".wrong").results(Static):
            here = line.id == f"wrong-{field}"
            line.set_class(here, "-shown")
            line.update(Content(words if here else ""))
        if field:
            self._meaning.update("")
            self.query_one(f"#{field}").focus()


def meaning(spec: EnvSpec) -> str:
    """Return a spec as a sentence."""
    place = f" in {clean(spec.where, 60)}" if spec.where else ""
    name = clean(spec.name, 60) or "an environment"
    if spec.clone:
        return f"{name}: a copy of {clean(spec.clone, 60)}"
    if spec.file:
        return f"{name}{place}, as {clean(spec.file, 80)} of this machine says"
    packages = clean(" ".join(spec.packages), 120)
    return f"{name}{place}, by {spec.kind}: {packages or 'empty'}"
