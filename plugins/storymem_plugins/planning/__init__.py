"""Planners: from an idea or a written story to a script, with a language model or without one."""
