"""Readers: one module per format, from a file's content to a Document. A reader knows nothing of tokens."""
