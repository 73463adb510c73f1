"""What happened to packets: captures on both sides of routers, what these recorded, and one page of it all."""
