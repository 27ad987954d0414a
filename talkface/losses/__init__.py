"""Network outputs and targets -> named loss terms."""
