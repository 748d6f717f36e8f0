"""Errors, words, files, caches, processes: what every room needs. Knows nothing of training."""
