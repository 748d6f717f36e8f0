"""Pixels: decoding, their cache, and the crops cut from them."""
