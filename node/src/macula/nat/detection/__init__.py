"""What NAT this node is behind: STUN asked and answered, measured, judged (RFC 5780)."""
