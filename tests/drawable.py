"""What a terminal draws and acts on in no other way."""

_JOINERS = "\u200c\u200d"
"""Parts of emoji and of several scripts, which `core.sanitize.clean` leaves in."""


def drawable(text: str) -> bool:
    """Whether a terminal only draws a text."""
    return all(character.isprintable() or character in _JOINERS for character in text)
