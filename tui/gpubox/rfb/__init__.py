"""Looks at VNC servers and reads pictures; knows no box."""
