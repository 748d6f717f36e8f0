"""Read run folders; make tables, plots and pages of them."""
