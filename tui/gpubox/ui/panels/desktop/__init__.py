"""The panel of desktops."""
