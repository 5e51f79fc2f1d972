"""Desktops of a box: find, start, open, look at and stop sessions of VNC servers."""

from gpubox.boxes.desktops.desktops import Desktops
from gpubox.boxes.desktops.session import Session, Wish

__all__ = ["Desktops", "Session", "Wish"]
