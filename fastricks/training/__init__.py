"""One training: settle, prepare, fit, finish."""
