"""Video file <-> the marks that say it is synthetic."""
