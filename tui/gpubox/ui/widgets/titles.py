"""Border titles of panels and windows, drawn verbatim: Textual would parse a str as markup."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from gpubox.core.sanitize import clean


def set_title(widget: Widget, title: str | Content, caption: str = "") -> None:
    """Write a title into a widget's upper border, and a caption, if given, into the lower one.

    Nothing is parsed as markup: an unclosed `[/` would end the program, even after Textual's own escape,
    `Content.markup`.
    """
    widget.border_title = title if isinstance(title, Content) else Content(clean(title))
    if caption:
        widget.border_subtitle = Content(clean(caption))


def set_caption(widget: Widget, text: str) -> None:
    """Write text into a widget's lower border verbatim, and paint only that border, if it changed."""
    content = Content(clean(text))
    if content == widget._border_subtitle:  # pyright: ignore[reportPrivateUsage]
        return
    # The public attribute would repaint the whole widget: every line of a log, for a few new bytes.
    widget._border_subtitle = content  # pyright: ignore[reportPrivateUsage]
    (left, top), (width, height) = widget.content_offset, widget.outer_size
    widget.refresh(Region(-left, height - 1 - top, width, 1))
