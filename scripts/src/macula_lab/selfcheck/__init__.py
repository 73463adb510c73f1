"""Every router is what it is called: proven at each start, and over the whole grid."""
