"""The version of the numbers that a training makes. Light."""

NUMERICS = 3  # raised when a change of code changes results
