"""Text to token ids: prompts, tokenizer, length limit. Knows no models' weights and no engine."""
