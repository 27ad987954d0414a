"""Checkpoints and clips -> tables of scores, one file per table."""
