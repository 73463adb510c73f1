"""What a mesh under constant load notices of each fault, and an exact account of every call and event."""
