"""Services of a box: what listens there, discovered, with what a browser needs to be let in."""

from gpubox.boxes.services.service import Access, Service
from gpubox.boxes.services.services import Services

__all__ = ["Access", "Service", "Services"]
