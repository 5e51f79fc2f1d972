"""What the tests of the service share."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from gpubox.remote.monitor import prometheus
from gpubox.remote.monitor.prometheus import PrometheusOutlet
from tests.hang import LIMIT


@pytest.fixture
def outlet(monkeypatch: pytest.MonkeyPatch) -> Generator[PrometheusOutlet]:
    """An outlet on a free port of loopback, whose patience a busy machine does not exhaust."""
    monkeypatch.setattr(prometheus, "PATIENCE", LIMIT)
    made = PrometheusOutlet({"port": 0})
    made.start()
    yield made
    made.close()
