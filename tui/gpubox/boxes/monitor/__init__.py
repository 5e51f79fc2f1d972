"""The service that monitors a box day and night: installed there, looked at, updated, and removed again."""

from gpubox.boxes.monitor.box_history import BoxHistory
from gpubox.boxes.monitor.monitor import Monitor, MonitorRequest
from gpubox.boxes.monitor.status import MonitorStatus, OutletStatus

__all__ = ["BoxHistory", "Monitor", "MonitorRequest", "MonitorStatus", "OutletStatus"]
