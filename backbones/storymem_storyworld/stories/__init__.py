"""Random stories, and the planner that hands them out."""
