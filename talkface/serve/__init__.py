"""Photo and speech from elsewhere -> videos: web page, HTTP API, live streams, adapters for voice agents."""
