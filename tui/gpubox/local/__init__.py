"""The same Shell for this machine, without ssh."""
