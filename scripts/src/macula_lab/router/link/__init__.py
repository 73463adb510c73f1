"""The link of a router: delay, jitter, loss, rate, reordering and duplication on its uplink."""
