"""The table of rules, one file per subject, and the functions that judge records by it."""
