"""A panel is one folder with a panel.py: ui/panels finds it."""

import importlib
import inspect
import pkgutil

import pytest

import gpubox.ui.panels
from gpubox.ui.panel import Panel

FILES = [found.name for found in pkgutil.iter_modules(gpubox.ui.panels.__path__)]


def panels(file: str) -> list[type[Panel]]:
    """The panel classes that one folder's panel.py defines."""
    module = importlib.import_module(f"gpubox.ui.panels.{file}.panel")
    classes = inspect.getmembers(module, inspect.isclass)
    own = [found for _, found in classes if found.__module__ == module.__name__]
    return [found for found in own if issubclass(found, Panel)]


@pytest.mark.parametrize("file", FILES)
def test_a_panel_file_holds_one_panel(file: str) -> None:
    assert len(panels(file)) == 1


@pytest.mark.parametrize("file", FILES)
def test_every_key_of_a_panel_has_a_name_and_a_sentence(file: str) -> None:
    for binding in panels(file)[0].BINDINGS:
        assert not isinstance(binding, tuple), f"{binding} has no id and no tooltip"
        assert binding.id is not None
        assert "." in binding.id, f"{binding.key} is to be called panel.verb, not {binding.id!r}"
        assert binding.tooltip, f"{binding.id} has no sentence for the help"
        assert 1 <= len(binding.description.split()) <= 3, f"{binding.id}: {binding.description!r}"


def test_there_are_panels() -> None:
    assert FILES
