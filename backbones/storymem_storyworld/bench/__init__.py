"""``storymem bench storyworld``: films of test stories, measured exactly."""
