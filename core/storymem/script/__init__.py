"""Story scripts: what the user writes. Knows nothing about rendering."""
