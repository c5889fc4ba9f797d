"""How records are kept: where their files lie, what tables need of long parts, what the last reading found."""
