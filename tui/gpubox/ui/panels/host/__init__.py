"""The panel of the host."""
