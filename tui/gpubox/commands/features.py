"""The features of a box that commands use; each is imported on first use, so that help is instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.desktops import Desktops
    from gpubox.boxes.envs.envs import Environments
    from gpubox.boxes.files.transfer import Files
    from gpubox.boxes.jobs.jobs import Jobs
    from gpubox.boxes.login import Login
    from gpubox.boxes.monitor import Monitor
    from gpubox.boxes.services import Services
    from gpubox.boxes.tunnels.tunnels import Tunnels
    from gpubox.boxes.x11.programs import Windows


def desktops_of(box: Box) -> Desktops:
    """Return the desktops of a box."""
    from gpubox.boxes.desktops import Desktops

    return box.use(Desktops)


def envs_of(box: Box) -> Environments:
    """Return the environments of a box."""
    from gpubox.boxes.envs.envs import Environments

    return box.use(Environments)


def files_of(box: Box) -> Files:
    """Return the file transfers of a box."""
    from gpubox.boxes.files.transfer import Files

    return box.use(Files)


def jobs_of(box: Box) -> Jobs:
    """Return the jobs of a box."""
    from gpubox.boxes.jobs.jobs import Jobs

    return box.use(Jobs)


def login_of(box: Box) -> Login:
    """Return the reader of a box's login environment."""
    from gpubox.boxes.login import Login

    return box.use(Login)


def monitor_of(box: Box) -> Monitor:
    """Return the service that monitors a box."""
    from gpubox.boxes.monitor import Monitor

    return box.use(Monitor)


def services_of(box: Box) -> Services:
    """Return the services of a box."""
    from gpubox.boxes.services import Services

    return box.use(Services)


def tunnels_of(box: Box) -> Tunnels:
    """Return the tunnels of a box."""
    from gpubox.boxes.tunnels.tunnels import Tunnels

    return box.use(Tunnels)


def windows_of(box: Box) -> Windows:
    """Return the graphical programs of a box."""
    from gpubox.boxes.x11.programs import Windows

    return box.use(Windows)
