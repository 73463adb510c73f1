"""Remote procedure calls: finding providers, calling them, and handling what others call."""
