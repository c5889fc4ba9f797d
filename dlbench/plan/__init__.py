"""Plugins are found and pairs chosen; every cell and profile gets a name made of all that it depends on."""
