"""The workers that read one log for its view: the stream at its end, and one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from textual.widget import Widget
from textual.worker import Worker

from gpubox.ui.error_boundary import guarded
from gpubox.ui.log.source import Log


class LogReader:
    """Reads for a widget, and calls `changed` when something is there to be drawn."""

    def __init__(self, node: Widget, changed: Callable[[], None]) -> None:
        self._node = node
        self._changed = changed
        self._reading: Worker[bool] | None = None
        self._fetching: Worker[bool] | None = None

    def read(self, source: Log, *, anew: bool) -> None:
        """Read what comes at the end of a log from now on; see Log.stream."""
        self.stop()
        self._reading = self._node.run_worker(
            guarded(self._node, self._stream(source, anew)), exit_on_error=False
        )

    async def _stream(self, source: Log, anew: bool) -> None:
        await source.stream(anew=anew)
        self._changed()

    def stop(self) -> None:
        """Read no more of what comes."""
        if self._reading is not None:
            self._reading.cancel()

    def forget(self) -> None:
        """Read nothing at all."""
        self.stop()
        if self._fetching is not None:
            self._fetching.cancel()

    def fetch(self, source: Log, work: Coroutine[object, object, None]) -> None:
        """Fetch a page, unless one is on its way; at the end of the log what comes is read again."""
        if self._fetching is not None and self._fetching.is_running:
            work.close()
            return
        self._fetching = self._node.run_worker(
            guarded(self._node, self._fetched(source, work)), exit_on_error=False
        )

    async def _fetched(self, source: Log, work: Coroutine[object, object, None]) -> None:
        await work
        if source.complete and not (source.live or source.over):
            self.read(source, anew=False)
        self._changed()
