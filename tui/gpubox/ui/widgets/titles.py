"""Border titles of panels and windows, drawn verbatim: Textual would parse a str as markup."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from gpubox.core.sanitize import clean


def set_title(widget: Widget, title: str | Content, caption: str = "") -> None:
    """Write a title into a widget's upper border, and a caption, if given, into the lower one.

    Nothing is parsed: an unclosed `[/` ends a program that has Textual parse it, and text that went
    through `Content.markup`, Textual's own escape, still does.
    """
    widget.border_title = title if isinstance(title, Content) else Content(clean(title))
    if caption:
        widget.border_subtitle = Content(clean(caption))


def set_caption(widget: Widget, text: str) -> None:
    """Write text into a widget's lower border as it is, and paint that border alone, if anything."""
    content = Content(clean(text))
    if content == widget._border_subtitle:  # pyright: ignore[reportPrivateUsage]
        return
    # Set in public, it has the whole widget painted: each line of a log, for a few bytes more of it.
    widget._border_subtitle = content  # pyright: ignore[reportPrivateUsage]
    (left, top), (width, height) = widget.content_offset, widget.outer_size
    widget.refresh(Region(-left, height - 1 - top, width, 1))
