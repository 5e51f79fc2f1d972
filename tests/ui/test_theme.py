"""Every theme can be read: text on bars, borders, and the row under the cursor."""

from __future__ import annotations

import pytest
from rich.color import Color as RichColor
from textual.app import ComposeResult
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from gpubox.ui.contrast import TEXT, contrast
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Span, Tone
from gpubox.ui.theme import GPUBOX, Themed
from tests.ui.fakes import until

TONES: tuple[Tone, ...] = ("util", "memory", "calm", "warn", "alarm")
COLORED = [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi]


class Bars(Themed):
    """Bars in every tone, and a row under the cursor."""

    CSS = "Screen { background: $background; }"

    def __init__(self, theme: str) -> None:
        super().__init__()
        if theme != GPUBOX.name:
            self.theme = theme
        self.bars = LineView(lambda _width, _height: [(Span("7.1G", tone, "fill"),) for tone in TONES])
        self.other = LineView(lambda _width, _height: [(Span("row"),)])

    def compose(self) -> ComposeResult:
        yield self.bars
        yield self.other


def opaque(color: RichColor | None) -> Color:
    assert color is not None
    return Color.from_rich_color(color)


@pytest.mark.parametrize("theme", [GPUBOX.name, *COLORED])
async def test_values_on_bars_can_be_read_in_every_theme(theme: str) -> None:
    app = Bars(theme)
    async with app.run_test(size=(40, 20)) as pilot:
        await until(pilot, lambda: app.bars.shown_lines)
        poor: dict[Tone, float] = {}
        for y, tone in enumerate(TONES):
            style = next(iter(app.bars.render_line(y))).style
            assert style is not None
            found = contrast(opaque(style.color), opaque(style.bgcolor))
            if found < TEXT:
                poor[tone] = found
        assert poor == {}


@pytest.mark.parametrize("theme", [GPUBOX.name, *BUILTIN_THEMES])
async def test_borders_stand_out_from_the_background_in_every_theme(theme: str) -> None:
    app = Bars(theme)
    async with app.run_test(size=(40, 20)):
        variables = app.theme_variables
        ground, focused, blurred = (
            Color.parse(variables[name]) for name in ("background", "border", "border-blurred")
        )
        if ground.ansi is not None:  # what the terminal's colors are is not known
            assert blurred == Color.parse("ansi_default")
        else:
            assert contrast(ground, focused) >= 2.5
            assert contrast(ground, blurred) >= 1.5
        assert focused != blurred


@pytest.mark.parametrize("theme", [GPUBOX.name, *COLORED])
def test_buttons_and_badges_can_be_read_in_every_theme(theme: str) -> None:
    variables = Bars(theme).get_css_variables()
    for name in ("primary", "warning", "error"):
        text, ground = Color.parse(variables[f"on-{name}"]), Color.parse(variables[name])
        assert contrast(text, ground) >= TEXT


def test_the_default_theme_has_the_borders_that_it_names() -> None:
    app = Bars(GPUBOX.name)
    for name in ("border", "border-blurred"):
        assert app.get_css_variables()[name].lower() == GPUBOX.variables[name]


@pytest.mark.parametrize(("colors", "underlined"), [("standard", True), ("256", False), ("truecolor", False)])
async def test_of_16_colors_the_cursor_is_underlined_where_the_keys_do_not_go(
    colors: str, underlined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Bars(GPUBOX.name)
    monkeypatch.setattr(type(app.console), "color_system", colors)
    monkeypatch.setattr(Bars, "is_headless", False)  # a picture has all colors
    async with app.run_test(size=(40, 20)) as pilot:
        await until(pilot, lambda: app.other.shown_lines)
        app.bars.focus()
        app.other.move_cursor(0)
        await pilot.pause()
        style = next(iter(app.other.render_line(0))).style
        assert style is not None
        assert bool(style.underline) == underlined
        app.other.focus()
        await until(pilot, lambda: app.other.has_focus)
        style = next(iter(app.other.render_line(0))).style
        assert style is not None
        assert not style.underline


@pytest.mark.parametrize("theme", [GPUBOX.name, "textual-light"])
async def test_the_own_theme_is_there_from_the_start_and_can_be_left(theme: str) -> None:
    parsed: list[object] = []
    app = Bars(GPUBOX.name)
    reparse = app.stylesheet.reparse
    app.stylesheet.reparse = lambda: parsed.append(reparse())
    async with app.run_test(size=(40, 20)) as pilot:
        await until(pilot, lambda: app.bars.shown_lines)
        assert parsed == []  # at each theme that is set Textual parses all styles again
        assert app.has_class("-theme-gpubox", "-dark-mode")
        assert app.screen.styles.background == Color.parse(str(GPUBOX.background))
        app.theme = theme
        await pilot.pause()
        assert app.has_class(f"-theme-{theme}")
        assert app.has_class("-theme-gpubox") is (theme == GPUBOX.name)
        assert app.has_class("-dark-mode") is (theme == GPUBOX.name)
