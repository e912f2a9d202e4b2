"""Writes the trained models as checkpoints in the published layout.

python export.py --work WORK --out ../src/quiver/models/builtin
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from card import EMBEDDER_CARD, RERANKER_CARD
from prompts import RERANKER_PREFIX, RERANKER_SUFFIX, WEB_SEARCH, embedder_query
from tokenizer import END_OF_TEXT

EMBEDDER = "quiver-embedding-mini"
RERANKER = "quiver-reranker-mini"
# The newlines at the ends stand inside strings, where a template engine cannot trim them.
CHAT_TEMPLATE = (
    f"{{%- set ns = namespace(task={json.dumps(WEB_SEARCH)}, query='', document='') -%}}"
    "{%- for message in messages -%}"
    "{%- set said = message.content if message.content is string else message.content[0].text -%}"
    "{%- if message.role == 'system' -%}{%- set ns.task = said -%}"
    "{%- elif message.role == 'query' -%}{%- set ns.query = said -%}"
    "{%- elif message.role == 'document' -%}{%- set ns.document = said -%}{%- endif -%}"
    "{%- endfor -%}"
    f"{{{{- {json.dumps(RERANKER_PREFIX)} + '<Instruct>: ' + ns.task + '\\n<Query>: ' + ns.query "
    f"+ '\\n<Document>: ' + ns.document + {json.dumps(RERANKER_SUFFIX)} -}}}}"
)
_MODULE = "sentence_transformers.models"
_GENERATION = "generation_config.json"


def write_json(file: Path, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Write a value as readable JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(source: Path, folder: Path, closes_texts: bool) -> None:
    """Write the tokenizer compactly; the embedder's ends every text with the end token."""
    tokenizer = Tokenizer.from_file(str(source))
    if closes_texts:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {END_OF_TEXT}",
            pair=f"$A {END_OF_TEXT} $B {END_OF_TEXT}",
            special_tokens=[(END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))],
        )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token=END_OF_TEXT,
        padding_side="left",
        model_max_length=32768,
    ).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def write_model(source: Path, folder: Path) -> dict[str, Any]:
    """Write weights and configuration, and give the latter.

    What `narrow.py` made is exact in float32 as it is. Other weights go to float16, eight times as fine as
    bfloat16 for values of this size.
    """
    tensors = load_file(source / "model.safetensors")
    narrow = any(tensor.dtype == torch.float8_e4m3fn for tensor in tensors.values())
    if not narrow:
        tensors = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    settings: dict[str, Any] = json.loads((source / "config.json").read_text(encoding="utf-8"))
    # Readers before transformers 5 look for the rotary base at the top.
    settings["rope_theta"] = settings["rope_parameters"]["rope_theta"]
    settings["dtype"] = "float32" if narrow else "float16"
    write_json(folder / "config.json", settings)
    if (source / _GENERATION).exists():
        shutil.copy(source / _GENERATION, folder)
    return settings


def export_embedder(work: Path, out: Path, weights: str) -> None:
    """Write the embedder with its sentence-transformers files."""
    folder = out / EMBEDDER
    shutil.rmtree(folder, ignore_errors=True)
    settings = write_model(work / weights, folder)
    write_tokenizer(work / "tokenizer.json", folder, closes_texts=True)
    modules = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"{_MODULE}.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
    )
    pooling = {"word_embedding_dimension": settings["hidden_size"], "pooling_mode_lasttoken": True}
    others = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    pooling |= {f"pooling_mode_{name}": False for name in (*others, "weightedmean_tokens")}
    write_json(folder / "1_Pooling/config.json", {**pooling, "include_prompt": True})
    (folder / "2_Normalize").mkdir(exist_ok=True)
    (folder / "2_Normalize/.gitkeep").touch()
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": embedder_query(WEB_SEARCH, ""), "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )
    (folder / "README.md").write_text(EMBEDDER_CARD, encoding="utf-8")


def export_reranker(work: Path, out: Path, weights: str) -> None:
    """Write the reranker."""
    folder = out / RERANKER
    shutil.rmtree(folder, ignore_errors=True)
    write_model(work / weights, folder)
    write_tokenizer(work / "reranker-tokenizer.json", folder, closes_texts=False)
    # sentence-transformers' CrossEncoder makes the published text of a pair by this template.
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    (folder / "README.md").write_text(RERANKER_CARD, encoding="utf-8")


def main() -> None:
    """Write both folders and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--embedder", default="embedder")
    parser.add_argument("--reranker", default="reranker")
    arguments = parser.parse_args()
    if (arguments.work / arguments.embedder).exists():
        export_embedder(arguments.work, arguments.out, arguments.embedder)
    if (arguments.work / arguments.reranker).exists():
        export_reranker(arguments.work, arguments.out, arguments.reranker)
    total = sum(file.stat().st_size for file in arguments.out.rglob("*") if file.is_file())
    print(f"{total:,} bytes in {arguments.out}")


if __name__ == "__main__":
    main()
