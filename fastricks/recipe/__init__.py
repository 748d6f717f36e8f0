"""A training's settings as plain data. No torch."""
