"""This machine as a box, without ssh: the same shell and link."""
