"""Delivers our programs to a box, by their content, and reads what they answer."""
