"""Topologies in network namespaces of this host, without a container engine."""
