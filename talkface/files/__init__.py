"""Files of this disk, whoever made them <-> checked values; nothing is believed and nothing is half written."""
