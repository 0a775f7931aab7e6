"""Search for networks that keep a latency limit on a device you own."""
