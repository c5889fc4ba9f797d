"""Images read as sequences."""
