"""What was seen: packets, rules, mappings, logs, and the explanation."""
