"""Topologies in network namespaces of this host, without a container engine.

What a service finds is what it would find in a container as far as the network goes: interfaces, addresses, routes,
firewall, connection table and `net.` sysctls of its own, its host name, the names of the others in /etc/hosts, its
capabilities and no more. It shares with the host what a container would not: files, processes and users are the host's,
and it runs as root without root's rights. Where the image has its data directory it finds a folder of its own.

One process per project, the supervisor, has the code of the node and the router imported once and forks them from
itself, in a few milliseconds each. A service's namespace lives as long as its main program, as that of a container.
"""
