"""The cut of a film in the forms of editing programs."""
