"""Checks of the SSH server's configuration."""
