"""Weights, config and provenance <-> one file; name or path -> model."""
