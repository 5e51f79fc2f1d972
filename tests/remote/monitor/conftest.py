"""What the tests of the service share."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from gpubox.remote.monitor.prometheus import PrometheusOutlet


@pytest.fixture
def outlet() -> Generator[PrometheusOutlet]:
    """An outlet that listens on a free port of loopback."""
    made = PrometheusOutlet({"port": 0})
    made.start()
    yield made
    made.close()
