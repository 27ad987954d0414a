"""Many tasks -> many processes, machines and places."""
