"""The program of the routers. It runs inside them: standard library and the NAT vocabulary only."""
