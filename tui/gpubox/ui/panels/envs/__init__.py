"""The panel of environments."""
