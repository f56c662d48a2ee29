"""The run folder: a SQLite record of takes and selections beside content-addressed files."""
