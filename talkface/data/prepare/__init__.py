"""Corpus clips -> shards and a manifest."""
