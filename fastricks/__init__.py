"""A fastai trainer for the bag of tricks (arXiv 1812.01187) that says which tricks pay on your images."""
__version__ = "0.1.0"
