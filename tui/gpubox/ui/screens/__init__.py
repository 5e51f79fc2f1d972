"""Screens: each composes panels and binds them to a box."""
