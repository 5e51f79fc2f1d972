"""Checks of what watches the box."""
