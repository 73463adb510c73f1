"""What a running conversation notices of each fault: how long it is silent, and what it loses."""
