"""What a clip contains, as plain data, and random clips."""
