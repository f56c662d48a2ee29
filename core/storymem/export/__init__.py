"""A finished film for others to cut: as the forms of editing programs, and as subtitles."""
