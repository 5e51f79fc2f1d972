"""Configuration of other monitoring systems, generated from the tables of metrics and rules."""
