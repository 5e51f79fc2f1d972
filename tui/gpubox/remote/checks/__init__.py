"""Gathers the facts that checks judge: one file per section, each with a function `gather`."""
