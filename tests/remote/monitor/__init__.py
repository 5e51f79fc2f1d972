"""Tests of the service on the box."""
