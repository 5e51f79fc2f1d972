"""The panel of GPUs."""
