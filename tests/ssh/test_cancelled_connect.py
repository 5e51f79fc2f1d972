"""A link that is cancelled while it connects."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar, cast

import asyncssh

from gpubox.core.prompts import Nobody
from gpubox.ssh.link import SshLink
from tests.ssh.fakes import QUICK, Folder, listening, running, settled
from tests.ssh.wire import wire

P = ParamSpec("P")
T = TypeVar("T")


class NoOptions(ThreadPoolExecutor):
    """The threads of a loop, on which asyncssh never finishes preparing its options."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        inner = cast("functools.partial[object]", fn)
        if getattr(inner, "func", None) is not asyncssh.SSHClientConnectionOptions:
            return super().submit(fn, *args, **kwargs)
        self.asked.set()
        return Future()


async def test_a_link_that_is_cancelled_before_its_handshake_closes_its_socket(folder: Folder) -> None:
    threads = NoOptions()
    asyncio.get_running_loop().set_default_executor(threads)
    gc.disable()  # which would close it too, some day
    try:
        async with listening(folder) as server, wire(server.port) as way:
            async with running(SshLink("box", folder.spec(way.port), Nobody(), QUICK)):
                await settled(lambda: threads.asked.is_set() and way.open)
            await settled(lambda: not way.open)
    finally:
        gc.enable()
