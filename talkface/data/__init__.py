"""Corpus folder -> manifest -> shards -> batches."""
