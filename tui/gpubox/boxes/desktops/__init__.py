"""Desktops of a box: find, start, open, view and stop sessions of VNC servers."""

from gpubox.boxes.desktops.desktops import Desktops
from gpubox.boxes.desktops.session import DesktopSession, DesktopSpec

__all__ = ["DesktopSession", "DesktopSpec", "Desktops"]
