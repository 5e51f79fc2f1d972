"""What the service gives to Prometheus, generated from the tables of metrics and of rules."""
