"""68 points: photo -> landmarks, motion -> landmarks, landmarks -> sketches."""
