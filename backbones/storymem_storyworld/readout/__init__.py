"""The network that reads the truth back from pictures, with its weights."""
