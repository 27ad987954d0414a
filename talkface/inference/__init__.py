"""Photo and speech -> frames, with trained networks."""
