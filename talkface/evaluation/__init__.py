"""Made video and real video -> scores."""
