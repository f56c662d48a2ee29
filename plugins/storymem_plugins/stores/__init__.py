"""Built-in memory stores."""
