"""Numbers from a box have bounds, whatever they are part of."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpubox
from gpubox.core.bounds import Moment, Number, Port, Whole, whole
from gpubox.core.json_bytes import Unreadable, decode_json
from tests.core import wire

OURS = ("gpubox.config", "gpubox.commands", "gpubox.ui", "gpubox.remote", "gpubox.boxes.jobs.compare.export")
"""What no box sends: settings, what is printed, what is drawn."""


def decoded() -> list[type[msgspec.Struct]]:
    """Return every struct of the program that may come from a box."""
    for module in pkgutil.walk_packages(gpubox.__path__, "gpubox."):
        if not module.name.startswith(("gpubox.remote", "gpubox.__main__")):
            importlib.import_module(module.name)
    found: list[type[msgspec.Struct]] = []
    left = list(msgspec.Struct.__subclasses__())
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("gpubox.") and not kind.__module__.startswith(OURS):
            found.append(kind)
    return found


def test_no_struct_from_a_box_holds_a_number_without_bounds() -> None:
    kinds = decoded()
    assert len(kinds) > 30
    faults = {
        f"{kind.cls.__module__}.{kind.cls.__name__}.{field.name}"
        for kind in wire.structs(*kinds)
        for field in kind.fields
        if wire.unbounded(field.type)
    }
    assert not faults


@pytest.mark.parametrize("kind", [Whole, Number, Moment, Port])
@pytest.mark.parametrize("data", wire.OUTSIDE, ids=range(len(wire.OUTSIDE)))
def test_a_number_out_of_bounds_is_unreadable(kind: object, data: bytes) -> None:
    decoder = cast("msgspec.json.Decoder[object]", msgspec.json.Decoder(kind))
    with pytest.raises(Unreadable):
        decode_json(data, decoder)


@given(st.text() | st.integers().map(str) | st.sampled_from(["²", "٣", "+1", " 1", "1_0", "-", "9" * 400]))
def test_text_is_a_whole_number_within_bounds_or_none(text: str) -> None:
    found = whole(text)
    assert found is None or (abs(found) < 10**18 and int(text) == found)
