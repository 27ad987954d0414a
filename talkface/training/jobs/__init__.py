"""Shards and a config -> checkpoint: one job per network, its config beside it."""
