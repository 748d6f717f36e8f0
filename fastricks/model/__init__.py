"""Networks, their weights and their optimizers."""
