"""Manifest -> one video per row, results and a gallery."""
