"""The panel of jobs, with its screens."""
