"""Four times larger pictures of the storyworld, with crisp lines: a small network and the finisher around it."""
