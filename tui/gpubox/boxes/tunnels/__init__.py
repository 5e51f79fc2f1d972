"""Tunnels of a box: its ports and sockets on this machine, held open through drops of the link."""
