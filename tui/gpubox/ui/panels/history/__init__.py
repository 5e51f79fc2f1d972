"""The panel of history."""
