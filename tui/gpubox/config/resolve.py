"""Settings of one box: those of its [[box]] beat those of its tags, which beat the sections of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gpubox.config.settings import PER_BOX, Overrides, Section, Settings

AnyOverrides = TypeVar("AnyOverrides", bound=Overrides)


def resolved(settings: Settings, box: str) -> Settings:
    """Return the settings of one box by its name; a box that is no [[box]] has the plain ones."""
    entry = next((each for each in settings.box if each.name == box), None)
    if entry is None:
        return settings
    layers = (*(settings.tag[tag] for tag in entry.tags if tag in settings.tag), entry)
    changed: dict[str, Section] = {}
    for name in PER_BOX:
        section: Section = getattr(settings, name)
        values = msgspec.structs.asdict(section)
        for layer in layers:
            values |= getattr(layer, name)
        changed[name] = msgspec.convert(values, type(section))
    return msgspec.structs.replace(settings, **changed)


def without(overrides: AnyOverrides, forced: Mapping[str, Mapping[str, object]]) -> AnyOverrides:
    """Return the overrides less the keys that the command line or the environment sets, which beat them."""
    kept = {
        name: {
            key: value for key, value in getattr(overrides, name).items() if key not in forced.get(name, ())
        }
        for name in PER_BOX
    }
    return msgspec.structs.replace(overrides, **kept)
