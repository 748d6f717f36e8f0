"""HTML pages of runs and evaluations."""
