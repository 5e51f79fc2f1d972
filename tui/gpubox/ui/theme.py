"""The default theme: dark, quiet, and safe for color-blind eyes.

Good, warn and alarm are sky blue, orange and vermilion of the palette of Okabe and Ito, which stay apart
for every common kind of color blindness and differ in brightness too. Every other theme of Textual works too:
everything is drawn with a theme's variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.app import App
from textual.color import Color
from textual.theme import Theme

from gpubox.ui.contrast import contrast, readable
from gpubox.ui.modal_guard import ModalGuard

SKY = "#56b4e9"
ORANGE = "#e69f00"
VERMILION = "#e8601c"
PURPLE = "#cc79a7"

GPUBOX = Theme(
    name="gpubox",
    primary=SKY,
    secondary="#7f9bb8",
    success=SKY,
    warning=ORANGE,
    error=VERMILION,
    accent=PURPLE,
    foreground="#cfd6df",
    background="#0e1217",
    surface="#141a21",
    panel="#1d252e",
    dark=True,
    variables={
        "border": SKY,
        "border-blurred": "#2c3641",
        "block-cursor-background": "#25425a",
        "block-cursor-foreground": "#f2f6fa",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#1d252e",
        "block-cursor-blurred-foreground": "#cfd6df",
        "block-hover-background": "#1d252e",
        "footer-background": "#141a21",
        "footer-key-foreground": SKY,
        "footer-description-foreground": "#9aa7b4",
        "input-cursor-background": SKY,
        "input-selection-background": "#25425a",
        "scrollbar": "#2c3641",
        "scrollbar-hover": "#3d4a58",
        "scrollbar-active": SKY,
        "scrollbar-background": "#0e1217",
        "scrollbar-background-hover": "#0e1217",
        "scrollbar-background-active": "#0e1217",
        "scrollbar-corner-color": "#0e1217",
    },
)
"""The theme `gpubox`."""
FAINT, CLEAR = 1.5, 2.5
"""The least contrast of borders with the background: of any panel, and of the focused one."""


class Themed(ModalGuard):
    """An app with visible borders and readable text in every theme; it starts in its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(GPUBOX)
        # Not `self.theme = ...`: for that Textual parses all styles a second time at the start, for 30 ms.
        self.set_reactive(App[object].theme, GPUBOX.name)
        self.add_class(f"-theme-{GPUBOX.name}")
        self.stylesheet.set_variables(self.get_css_variables())

    def get_css_variables(self) -> dict[str, str]:
        """Return the variables of the theme, with other borders where its own are invisible.

        `on-primary`, `on-warning` and `on-error` are the colors of text on these.
        """
        variables = super().get_css_variables()
        variables |= borders(variables) | _texts(variables)
        self.theme_variables = variables
        return variables


def borders(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the colors of borders in a theme: its own if they contrast with its background."""
    ground = Color.parse(variables["background"])
    if ground.ansi is not None:  # the terminal's background is unknown
        return {"border-blurred": "ansi_default"}

    def seen(name: str) -> Color:
        color = Color.parse(variables[name])
        return ground.blend(color, color.a, alpha=1)

    focused = map(seen, ("border", "primary", "secondary", "accent"))
    steps = (seen("border-blurred").blend(seen("foreground"), step / 20, alpha=1) for step in range(21))
    return {
        "border": _standing_out(focused, ground, CLEAR).hex,
        "border-blurred": _standing_out(steps, ground, FAINT).hex,
    }


def _standing_out(colors: Iterable[Color], ground: Color, least: float) -> Color:
    """Return the first color with at least `least` contrast to a background, else the one with the most."""
    known = list(colors)
    enough = (color for color in known if contrast(color, ground) >= least)
    return next(enough, max(known, key=lambda color: contrast(color, ground)))


def _texts(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the colors of text on backgrounds in the colors of a theme."""
    usual = [Color.parse(variables[name]) for name in ("background", "foreground")]
    if usual[0].ansi is not None:
        return {
            "on-primary": "ansi_bright_white",
            "on-warning": "ansi_black",
            "on-error": "ansi_bright_white",
        }
    names = ("primary", "warning", "error")
    return {f"on-{name}": readable(Color.parse(variables[name]), usual).hex for name in names}
