"""Checks of the desktop over VNC."""
