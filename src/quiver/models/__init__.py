"""Models on disk: which exist, what their files say, whether they are whole. Reads no text, runs nothing."""
