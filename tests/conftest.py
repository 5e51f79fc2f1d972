"""What holds for every test: the same examples on CI each time, and a report for each failure."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# A person's run looks for new examples; a run that decides about a change must not depend on luck.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=False)
settings.register_profile("person", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "person")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a test without collecting garbage.

    In Python 3.11 garbage that is collected while a failed test's source is parsed raises SystemError, which
    ends the whole run with all of its results.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
