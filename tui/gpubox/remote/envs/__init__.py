"""The environments program: finds, describes and activates them without running conda, uv or pixi."""
