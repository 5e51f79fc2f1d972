"""Values and protocols of every layer above: samples, feeds, history, prompts, errors; stdlib and msgspec."""
