"""Re-reads the settings file while the program runs, and writes the theme to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from gpubox.config.files import Loaded
from gpubox.config.settings import Settings
from gpubox.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The source of the settings."""

    path: Path
    load: Callable[[], Loaded]
    """Reloads the settings, with the flags that the program was started with."""

    def with_new_boxes(self, settings: Settings) -> tuple[Settings, tuple[ConfigError, ...]]:
        """Return settings with the boxes and tags that the file holds now, and its problems.

        None disappears because of a mistake in the file, or because the file is gone.
        """
        try:
            loaded = self.load()
        except ConfigError as error:
            return settings, (error,)
        boxes, tags = loaded.settings.box, loaded.settings.tag
        if loaded.problems:
            names = {box.name for box in boxes}
            boxes += tuple(box for box in settings.box if box.name not in names)
            tags = {**settings.tag, **tags}
        return replace(settings, box=boxes, tag=tags), loaded.problems

    def set_theme(self, theme: str) -> None:
        """Save a theme for the next start; raises ConfigError when it cannot be written."""
        from gpubox.config.edit import set_theme

        set_theme(self.path, theme)
