"""Remote: servers of embeddings and scores, spoken to in their own dialects, and their diagnosis."""
