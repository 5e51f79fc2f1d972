"""Panels: one file, one panel; each owns its keys and actions."""
