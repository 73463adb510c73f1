"""The command line of the lab; the Makefile calls it."""
