"""Connections in the kernel's tables, as recorded lines and as the kernel of this machine writes them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.common.listeners import connections
from tests.boxes.scripted import until

REST = "00000000     0        0 0 3 000000005c15db7e"


@pytest.mark.parametrize(
    ("state", "timer", "age"),
    [
        ("06", "03:0000149E", 7.2),
        ("06", "03:00001770", 0.0),
        ("06", "03:00000000", 60.0),
        ("01", "00:00000000", 0.0),
        ("01", "02:000005DC", 0.0),  # kept alive
        ("06", "03:00009999", None),  # longer than any kernel keeps it
        ("06", "03:xyz", None),
        ("02", "01:00000064", None),  # an attempt that nobody answers
        ("0A", "00:00000000", None),
        ("05", "03:00001000", None),
    ],
)
def test_only_what_was_connected_counts(state: str, timer: str, age: float | None) -> None:
    line = f"  54: 0100007F:B9FD 0A00000A:2743 {state} 00000000:00000000 {timer} {REST}"
    found = list(connections(line))
    if age is None:
        assert found == []
    else:
        row = {"host": "127.0.0.1", "port": 47613, "peer": "10.0.0.10", "peer_port": 10051, "age": age}
        assert found == [row]


@given(
    st.lists(st.text(st.characters(exclude_characters=" \n\r\t\v\f"), max_size=40), min_size=4, max_size=9)
)
def test_a_line_of_any_fields_never_raises(fields: list[str]) -> None:
    for state in ("01", "06"):
        fields[3] = state
        assert all(0 <= row["age"] <= 60 for row in connections(" ".join(fields)))


async def test_this_kernel_keeps_what_this_end_closed_first() -> None:
    table = Path("/proc/net/tcp")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        closed = socket.create_connection(("127.0.0.1", port))
        mine = closed.getsockname()[1]
        accepted, _ = server.accept()

        def seen() -> list[float]:
            rows = connections(table.read_text())
            return [row["age"] for row in rows if (row["port"], row["peer_port"]) == (mine, port)]

        assert seen() == [0.0]
        closed.close()
        accepted.close()
        await until(seen)
        assert 0 <= seen()[0] < 60
