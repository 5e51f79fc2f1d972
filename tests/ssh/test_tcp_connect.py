"""Connections that are tried beside each other: one wins, and no other stays open."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gpubox.ssh import tcp_connect


async def test_two_that_come_through_at_once_leave_one_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    both = asyncio.Event()

    async def connect(*_: object) -> socket.socket:
        mine = socket.socket()
        made.append(mine)
        if len(made) == 2:
            both.set()
        await both.wait()
        return mine

    async def addresses(*_: object) -> list[object]:
        return [(socket.AF_INET, ("192.0.2.1", 22)), (socket.AF_INET, ("192.0.2.2", 22))]

    monkeypatch.setattr(tcp_connect, "_connect", connect)
    monkeypatch.setattr(tcp_connect, "_addresses", addresses)
    monkeypatch.setattr(tcp_connect, "_NEXT_ADDRESS", 0.01)
    winner = await tcp_connect.reach("box", 22, 30)
    assert [one.fileno() >= 0 for one in made].count(True) == 1
    assert winner.fileno() >= 0
    winner.close()
