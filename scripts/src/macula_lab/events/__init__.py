"""Things that happen to networks, made to happen."""
