"""Photo and speech -> a video of that person speaking."""

__version__ = "0.1.0"
