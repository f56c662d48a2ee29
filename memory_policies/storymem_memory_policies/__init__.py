"""Built-in memory policies, one module each."""
