"""Search a few notes about git: find candidates with the embedder, order them with the reranker.

python examples/search_documents.py "throw away my last commit"
"""

import sys
from pathlib import Path

import numpy as np

from quiver import Embedder, Reranker

documents = (Path(__file__).parent / "documents" / "git.txt").read_text().splitlines()
query = " ".join(sys.argv[1:]) or "How do I undo my last commit but keep the changes?"

embedder = Embedder()
similarities = embedder.similarity(embedder.encode_query([query]), embedder.encode_document(documents))[0]
candidates = np.argsort(-similarities)[:5]

reranker = Reranker()
ranking = reranker.rank(query, [documents[i] for i in candidates], return_documents=True)
for place, hit in enumerate(ranking, 1):
    print(f"{place}. {hit['score']:.3f}  {hit['text']}")
print(f"({ranking.usage.tokens_saved} of {ranking.usage.tokens_in} tokens came from the shared prefix)")
