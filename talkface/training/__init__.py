"""Shards and a config -> checkpoint."""
