"""The prober that tells what a NAT really does (RFC 5780).

It runs beside the routers: standard library and the NAT vocabulary only.
"""
