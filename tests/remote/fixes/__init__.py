"""Tests of the program that makes changes on the box."""
