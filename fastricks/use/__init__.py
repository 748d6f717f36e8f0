"""What a finished run is good for: predict, evaluate, export, demo."""
