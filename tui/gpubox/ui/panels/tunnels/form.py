"""A window that asks for a tunnel, and explains the input while it is typed."""

from __future__ import annotations

import re
from typing import ClassVar, assert_never

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gpubox.core.channels import Direction
from gpubox.core.errors import ConfigError
from gpubox.core.tunnel_spec import TunnelSpec, at_home, parse, target
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_title

EXAMPLES = (
    ("8888", "port 8888 of the box, here under the same number"),
    ("9000:db:5432", "port 9000 here leads to db:5432, as the box sees it"),
    ("/run/app.sock", "a unix socket of the box"),
    ("remote:9000:3000", "port 9000 on the box leads to port 3000 here"),
    ("socks:1080", "a SOCKS proxy: the box connects to anywhere"),
)
"""Examples of input; the -L, -R and -D of ssh are accepted too."""
_SSH = re.compile(r"-([LRD])\s*(\S.*)")
_PREFIX = {"L": "", "R": "remote:", "D": "socks:"}


class TunnelForm(ModalScreen[TunnelSpec | None]):
    """Its result is the spec of a tunnel, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="new-tunnel.open", tooltip="Open the tunnel", priority=True),
        Binding("escape", "dismiss(None)", "Close", id="new-tunnel.close", tooltip="Open nothing"),
    ]

    def __init__(self, box: str) -> None:
        super().__init__()
        self._box = box
        self._text = LineInput(placeholder="8888", id="answer")
        self._meaning = Static("", id="meaning", markup=False)

    def compose(self) -> ComposeResult:
        """Compose the window."""
        with Vertical(id="question", classes="form"):
            with VerticalScroll(id="text", can_focus=False):
                for text, meaning in EXAMPLES:
                    line = Content.assemble((f"{text:<18}", "$primary"), (meaning, "$foreground-muted"))
                    yield Static(line, classes="example", markup=False)
            with Vertical(id="reply"):
                yield self._text
                yield self._meaning
        yield KeyFooter()

    def on_mount(self) -> None:
        """Name the box in the border."""
        frame = self.query_one("#question")
        set_title(frame, "Open a tunnel", self._box)
        self._text.focus()

    @on(LineInput.Changed)
    def _explain(self) -> None:
        """Explain the input; unfinished input is not an error."""
        try:
            words = meaning(read(self._text.value)) if self._text.value.strip() else ""
        except ConfigError:
            words = "…"
        self._meaning.update(Content.styled(words, "$foreground-muted"))

    def action_open(self) -> None:
        """Close with the spec, or show what is wrong."""
        try:
            self.dismiss(read(self._text.value))
        except ConfigError as error:
            self._meaning.update(Content.styled(error.text, "$text-error"))


def read(text: str) -> TunnelSpec:
    """Return the spec of a line in our syntax or ssh's; raises ConfigError."""
    as_ssh = _SSH.fullmatch(text.strip())
    return parse(_PREFIX[as_ssh[1]] + as_ssh[2].strip() if as_ssh else text)


def meaning(requested: TunnelSpec) -> str:
    """Return a spec as a sentence."""
    spec = requested.spec
    if spec is None:
        return f"the service {requested.name}, once it is found"
    here = f"127.0.0.1:{spec.listen_port or spec.port}" if spec.listen_port or spec.port else "a port here"
    match spec.way:
        case Direction.LOCAL:
            there = "of the box" if spec.path or at_home(spec) else "as the box sees it"
            return f"{here}  →  {target(spec)} {there}"
        case Direction.REMOTE:
            return f"port {spec.listen_port or spec.port} on the box  →  {target(spec)} of this machine"
        case Direction.SOCKS:
            return f"SOCKS on 127.0.0.1:{spec.listen_port or 1080}  →  wherever the box gets to"
        case _:
            assert_never(spec.way)
