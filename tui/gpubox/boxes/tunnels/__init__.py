"""Tunnels of a box: ports and sockets of it on this machine, held open through every loss of the link."""
