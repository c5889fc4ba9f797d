"""What the package's models are called, what they accept and how they are built. No torch."""
