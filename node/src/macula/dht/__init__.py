"""The distributed hash table: Kademlia over messages, with signed records that expire (Maymounkov, Mazieres 2002)."""
