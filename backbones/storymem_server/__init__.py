"""``storymem serve``: a local backbone behind OpenAI's videos interface, with memory."""
