"""Graphical programs of a box on this machine's display."""
