"""Scores -> terminal, HTML pages and plots."""
