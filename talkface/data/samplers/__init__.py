"""Prepared clips -> batches, by a sampling rule per job."""
