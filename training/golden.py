"""Write the golden scores that `quiver doctor` holds the built-in models against.

Run after the models changed: ``python training/golden.py``. The scores come from transformers and the model
card's own formulas, not from Quiver, so that the doctor compares two implementations. Takes seconds.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from quiver.doctor import DOCUMENTS, QUERIES
from quiver.models import catalog
from quiver.text.prompts import DEFAULT_INSTRUCTION, RERANKER_PREFIX, RERANKER_SUFFIX

Scores = list[list[float]]


def embedding_scores(folder: Path) -> Scores:
    """Cosines of the model card's queries and documents."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def vector(text: str) -> torch.Tensor:
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.no_grad():
            return torch.nn.functional.normalize(model(ids).last_hidden_state[0, -1], dim=0)

    queries = [vector(f"Instruct: {DEFAULT_INSTRUCTION}\nQuery:{query}") for query in QUERIES]
    documents = [vector(document) for document in DOCUMENTS]
    return [[round(float(q @ d), 6) for d in documents] for q in queries]


def reranking_scores(folder: Path) -> Scores:
    """Probabilities of "yes" for every query and document of the model card."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    answers = tokenizer.convert_tokens_to_ids(["no", "yes"])

    def score(query: str, document: str) -> float:
        body = f"<Instruct>: {DEFAULT_INSTRUCTION}\n<Query>: {query}\n<Document>: {document}"
        parts = (RERANKER_PREFIX, body, RERANKER_SUFFIX)
        ids = [i for part in parts for i in tokenizer.encode(part, add_special_tokens=False)]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1, answers]
        return float(torch.softmax(logits, dim=0)[1])

    return [[round(score(query, document), 6) for document in DOCUMENTS] for query in QUERIES]


def main() -> None:
    """Write ``golden.json`` beside each built-in model's weights."""
    measures = {catalog.BUILTIN_EMBEDDER: embedding_scores, catalog.BUILTIN_RERANKER: reranking_scores}
    for name, measure in measures.items():
        folder = catalog.BUILTIN_FOLDER / name
        scores = measure(folder)
        (folder / "golden.json").write_text(json.dumps({"scores": scores}) + "\n")
        print(f"{name}: {scores}")


if __name__ == "__main__":
    main()
