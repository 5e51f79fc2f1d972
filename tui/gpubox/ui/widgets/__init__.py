"""Widgets: small drawings that know no box."""
