"""A VNC client that only views, and readers of pictures; knows no box."""
