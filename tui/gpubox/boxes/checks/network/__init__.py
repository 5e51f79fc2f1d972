"""Checks of how the box is reached from outside."""
