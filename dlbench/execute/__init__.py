"""How jobs get a process: a fork server with torch preloaded, one isolated child per cell, one record per outcome."""
