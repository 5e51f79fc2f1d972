"""Where the service serves its metrics unless the settings say otherwise."""

ADDRESS = "127.0.0.1"
PORT = 9846
PATH = "/metrics"
