"""The vocabulary of every state machine: events, effects, commands, internal requests, records."""
