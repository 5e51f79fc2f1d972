"""Files and folders between this machine and a box; interrupted transfers resume."""
