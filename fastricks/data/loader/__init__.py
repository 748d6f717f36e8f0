"""A source as DataLoaders."""
