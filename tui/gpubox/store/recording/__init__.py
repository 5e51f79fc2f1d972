"""Recordings: files with everything that a box's probe sent over some time."""
