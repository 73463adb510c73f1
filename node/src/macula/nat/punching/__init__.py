"""A direct path to one peer: candidates, agreed rounds of authenticated probes, predicted ports."""
