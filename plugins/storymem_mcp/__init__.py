"""``storymem mcp``: the verbs of the command line for language-model agents, by the Model Context Protocol."""
