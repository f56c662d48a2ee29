"""The command line: thin commands over the Python interface. Nothing heavy is imported before it is needed."""
