"""The one bound on waits in tests: no test measures the machine."""

LIMIT = 300.0
"""Seconds that only a hang takes, however busy the machine is; pytest ends a test after 900."""
