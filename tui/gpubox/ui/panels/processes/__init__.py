"""The panel of processes."""
