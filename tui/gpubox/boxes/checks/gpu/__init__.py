"""Checks of the GPUs and their driver."""
