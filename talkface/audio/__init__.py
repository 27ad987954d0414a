"""Speech in: file -> waveform -> features, and its rhythm."""
