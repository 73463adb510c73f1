"""The compose file as the lab understands it."""
