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
        values: dict[str, object] = {}
        for layer in layers:
            values |= getattr(layer, name)
        changed[name] = _changed(settings, name, values)
    return msgspec.structs.replace(settings, **changed)


def forced(settings: Settings, values: Mapping[str, Mapping[str, object]]) -> Settings:
    """Return settings with values, by section and key, that beat those of every box and tag."""
    changed: dict[str, Section] = {}
    for name, given in values.items():
        changed[name] = _changed(settings, name, given)
    boxes = tuple(_without(box, values) for box in settings.box)
    tags = {name: _without(tag, values) for name, tag in settings.tag.items()}
    return msgspec.structs.replace(settings, **changed, box=boxes, tag=tags)


def _without(overrides: AnyOverrides, values: Mapping[str, Mapping[str, object]]) -> AnyOverrides:
    left = {
        name: {
            key: value for key, value in getattr(overrides, name).items() if key not in values.get(name, ())
        }
        for name in PER_BOX
    }
    return msgspec.structs.replace(overrides, **left)


def _changed(settings: Settings, name: str, values: Mapping[str, object]) -> Section:
    """Return a section with values, which were checked when they were read."""
    section: Section = getattr(settings, name)
    return msgspec.structs.replace(section, **values)
