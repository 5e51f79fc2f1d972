"""The service that watches the box day and night: one sampler, whose frames go to every outlet."""
