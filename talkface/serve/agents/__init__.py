"""A voice agent's speech -> a face that speaks it: shapes that LiveKit and Pipecat expect."""
