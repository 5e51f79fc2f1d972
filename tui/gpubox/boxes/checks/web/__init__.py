"""Checks of the web server and its certificates."""
