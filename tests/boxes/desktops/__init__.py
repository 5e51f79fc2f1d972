"""Tests of desktops: against a VNC server of our own that runs as a program of its own."""
