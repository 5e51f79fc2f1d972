"""This machine as a box, without ssh: the same Shell and Link protocols."""
