"""The panel of services and tunnels."""
