"""Paired comparisons of runs: statistics, rows, tables, files."""
