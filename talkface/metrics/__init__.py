"""Frames, landmarks and sound -> numbers: one file per measure."""
