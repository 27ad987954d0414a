"""Other people's weight files -> checkpoints in our format."""
