"""Engines: packed token sequences to hidden rows or logits. Know nothing of texts, prompts or files."""
