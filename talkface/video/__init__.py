"""Frames in, frames out: read, crop, warp, paste, write, mark."""
