"""The default theme: dark, quiet, and safe for color-blind eyes.

Good, warn and alarm are sky blue, orange and vermilion of the palette of Okabe and Ito, which stay apart
for every common kind of color blindness and differ in brightness too. Every other theme of Textual
works as well: nothing is drawn with a color of its own, only with a theme's variables.
"""

from __future__ import annotations

from textual.theme import Theme

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
