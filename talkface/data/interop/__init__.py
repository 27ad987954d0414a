"""Files of earlier systems <-> our landmarks, clips and shards."""
