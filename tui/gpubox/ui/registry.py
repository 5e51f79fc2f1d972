"""Finds the panels: each folder of ui/panels holds one in its `panel.py`; no list names them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from gpubox.ui import panels
from gpubox.ui.panel import Panel


def panel_modules() -> list[ModuleType]:
    """Import and return every module that holds a panel."""
    names = sorted(found.name for found in iter_modules(panels.__path__) if not found.name.startswith("_"))
    return [import_module(f"{panels.__name__}.{name}.panel") for name in names]


def first_panel() -> type[Panel]:
    """Return the panel that is shown first: what it draws of a sample is what a box is opened for."""
    from gpubox.ui.panels.gpus.panel import Gpus

    return Gpus


def panel_classes() -> Sequence[type[Panel]]:
    """Return the class of every panel, in the order of their number keys."""
    found = [
        value
        for module in panel_modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Panel) and value.__module__ == module.__name__
    ]
    return sorted(found, key=lambda panel: panel.ORDER)
