"""Checks of graphical programs over ssh."""
