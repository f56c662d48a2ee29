"""The world's words: captions, the tokenizer, and what a prompt means."""
