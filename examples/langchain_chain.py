"""The same search as a chain of LangChain: a vector store's retriever, then Quiver's reranker.

pip install 'quiver-embed[langchain]'
python examples/langchain_chain.py "throw away my last commit"
"""

import sys
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from quiver.integrations.langchain import QuiverEmbeddings, QuiverReranker

documents = (Path(__file__).parent / "documents" / "git.txt").read_text().splitlines()
query = " ".join(sys.argv[1:]) or "How do I undo my last commit but keep the changes?"

store = InMemoryVectorStore.from_texts(documents, QuiverEmbeddings())
reranker = QuiverReranker(top_n=5)
retrieve = itemgetter("query") | store.as_retriever(search_kwargs={"k": 10})


def rerank(found: dict[str, Any]) -> Sequence[Document]:
    """Put what was retrieved in the reranker's order."""
    return reranker.compress_documents(found["documents"], found["query"])


chain = RunnablePassthrough.assign(documents=retrieve) | rerank

for place, hit in enumerate(chain.invoke({"query": query}), 1):
    print(f"{place}. {hit.metadata['relevance_score']:.3f}  {hit.page_content}")
