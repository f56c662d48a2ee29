"""Built-in transitions: how a shot follows the one before it."""
