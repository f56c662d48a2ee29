"""Built-in finishers: what makes shots better to look at, after everything that memory sees."""
