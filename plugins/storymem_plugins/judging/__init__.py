"""A vision-language model as a judge of pictures, behind any OpenAI-compatible server."""
