"""Tests of the service that watches the box."""
