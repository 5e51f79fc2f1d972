"""Checks of the software environments."""
