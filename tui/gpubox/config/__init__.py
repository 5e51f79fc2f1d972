"""Settings: their types and defaults, and the files they come from."""
