"""What became of a story in its film."""
