"""Files <-> arrays: photos, videos and sound, read and written."""
