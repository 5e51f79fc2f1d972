"""Pictures of real pixels: only where the terminal says that it draws them, and nothing loaded otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import opened

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from textual.app import App
from gpubox.rfb.image import Picture
from gpubox.ui.draw import graphics
from gpubox.ui.draw.thumbnail import Thumbnail

graphics.find(sys.argv[1])

class Frame(App):
    BINDINGS = [("n", "nothing"), ("q", "quit")]

    def compose(self):
        yield Thumbnail()

    def on_mount(self):
        self.call_after_refresh(self.query_one(Thumbnail).show, Picture(64, 40, bytes((200, 0, 0)) * 64 * 40))

    def action_nothing(self):
        self.query_one(Thumbnail).show(None, "no picture now")

Frame().run()
loaded = [name for name in ("textual_image", "PIL") if name in sys.modules]
print("found", graphics.found is not None, "loaded", loaded, flush=True)
"""
SIXEL = "\x1b[?62;4;6c"
KITTY = "\x1b_Gi=31;OK\x1b\\\x1b[?62c"
DRAWN = {SIXEL: b"\x1bP0;0;0q", KITTY: b"f=100,q=2;iVBOR"}
"""What the picture begins with: sixels, or a PNG for kitty."""


async def seen(kind: str, pictures: str = "auto", **environment: str) -> tuple[bytes, str]:
    """What a terminal of some kind gets, and what the program says at its end."""
    command = [sys.executable, "-c", PROGRAM, pictures]
    python = {"PYTHONPATH": str(ROOT / "tui"), "PATH": os.defpath, **environment}
    async with opened(command, python, columns=40, rows=12, kind=kind) as terminal:
        saved = terminal.raw

        def there() -> bool:
            return "▀".encode() in saved or any(begin in saved for begin in DRAWN.values())

        await terminal.until(there, "picture")
        terminal.press("n")
        await terminal.shows("no picture now")
        terminal.press("q")
        await terminal.shows("loaded")
        assert await terminal.ended() == 0
        text = terminal.text
    return bytes(saved), text[text.index("found") :].strip()


@pytest.mark.parametrize("kind", [SIXEL, KITTY])
async def test_a_terminal_that_draws_pixels_gets_them(kind: str) -> None:
    raw, said = await seen(kind)
    assert said.replace("\n", "") == "found True loaded ['textual_image', 'PIL']"
    assert DRAWN[kind] in raw
    assert "▀".encode() not in raw


@pytest.mark.parametrize(
    ("kind", "pictures", "environment"),
    [
        ("\x1b[?62;6c", "auto", {}),
        ("", "auto", {}),
        (SIXEL, "cells", {}),
        (SIXEL, "auto", {"TMUX": "/tmp/tmux-0/default,1,0"}),
        (SIXEL, "auto", {"STY": "1.pts-0"}),
        (KITTY, "auto", {"TERM": "screen-256color"}),
    ],
)
async def test_any_other_gets_half_cells_and_nothing_is_loaded(
    kind: str, pictures: str, environment: dict[str, str]
) -> None:
    raw, said = await seen(kind, pictures, **environment)
    assert said == "found False loaded []"
    assert "▀".encode() in raw
    assert (b"\x1b_G" in raw) == (pictures == "auto" and not environment)


def test_where_the_extra_is_not_installed_the_terminal_is_not_asked() -> None:
    code = (
        "import importlib.util as u, sys; from gpubox.ui.draw import graphics as g; "
        "g.find_spec = lambda _: None; "
        "g._may_ask = lambda: True; g._asked = lambda: sys.exit('asked'); g.find('auto'); assert not g.found"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "tui")}, check=False
    )
    assert done.returncode == 0
