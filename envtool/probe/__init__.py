"""Probes: they ask the machine and give readings. No opinion, no output."""
