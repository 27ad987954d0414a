"""Job and run settings -> run folder: loop, processes, files."""
