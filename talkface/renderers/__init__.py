"""Identity + pixel landmarks -> frames: one file per renderer family."""
