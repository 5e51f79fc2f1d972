"""The table of rules with a memory, one file per subject: what raises an alert, and what clears it."""
