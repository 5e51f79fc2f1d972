"""Delivers our programs to a box, addressed by content, and reads their answers."""
