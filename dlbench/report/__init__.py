"""Records -> one HTML page that needs nothing else, and its plots as files."""
