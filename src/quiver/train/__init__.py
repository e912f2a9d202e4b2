"""Training: Qwen3 embedders and rerankers on one's own texts, behind the very prompts that serving uses."""
