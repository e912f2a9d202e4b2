"""Remote: is another server of embeddings or scores right?"""
