"""Checks of the login by key."""
