"""What a trick is. No torch."""
