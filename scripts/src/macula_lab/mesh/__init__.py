"""What is asked of our own mesh in a topology: status, readiness, the proof."""
