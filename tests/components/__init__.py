"""The real parts that tests talk to: where to get them, how to start them, and tests against them."""
