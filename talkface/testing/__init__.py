"""Seed -> synthetic clips and shards for tests and dry runs."""
