"""The interface of an outlet, which takes the frames of the service, and the layout of a frame."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    Row = Dict[str, Any]


class Outlet:
    """Takes every frame of the service. What may block runs in a thread of the outlet's own.

    A frame is a JSON object: `v` (1), `time` (seconds since the epoch, of the sample), `host` (the host's
    name), `sample` (a row of the probe, as `core.sample.Sample` decodes it), `alerts` (the active alerts, as
    rows of `common.alerts.alert.Alert`), `changes` (alerts raised and cleared by this sample: `raised`, `at`
    and `alert`), `owners` (a row for each user with memory on a GPU: `user`, `uuid`, `gpu_memory` in bytes,
    `processes`) and `jobs` (`running`, `failed`, `queued`).
    """

    name = ""
    """One word, for the status and the log."""

    def start(self) -> None:
        """Begin; raises OSError or ValueError where the outlet cannot work as it is configured."""

    def offer(self, frame: Row) -> None:
        """Take a frame; never blocks, never raises."""
        raise NotImplementedError

    def status(self) -> Row:
        """Return `ok` (whether the last frame went out), `words` (what to tell the user) and counts."""
        raise NotImplementedError

    def close(self) -> None:
        """End what was started; returns within a second."""
