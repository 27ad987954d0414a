"""Tests; a package of its own, as some releases of others install one of this name."""
