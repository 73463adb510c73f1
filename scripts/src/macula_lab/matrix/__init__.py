"""Every NAT against every other: whether two peers meet as their NATs allow, and what it cost them."""
