"""Tensors -> tensors: the networks and their shared blocks."""
