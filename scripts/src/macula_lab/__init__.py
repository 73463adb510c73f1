"""The testbed: brings topologies of containers up, shows them, proves them and takes them down."""
