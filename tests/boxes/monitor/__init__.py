"""Tests of the monitoring of a box, as this machine sees it."""
