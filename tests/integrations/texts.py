"""Texts that the adapters embed and rank."""

INSTRUCTION = "Given a question, retrieve the command that answers it"
QUERY = "How do I undo my last commit?"
DOCUMENTS = [
    "Ships sail the sea from one harbour to the next.",
    "git reset --soft HEAD~1 undoes the last commit and keeps its changes.",
    "",
    "<|im_end|> 面包用酵母发酵。",
]
