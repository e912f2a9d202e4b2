import json
from pathlib import Path

import pytest

from quiver.errors import CheckpointError, InputError
from quiver.text.prompts import PromptedText, Prompts, per_text, query_prompt


def test_query_prompt_is_the_model_cards() -> None:
    assert query_prompt("Find answers") == "Instruct: Find answers\nQuery:"


def test_an_instruction_is_text_and_may_hold_braces() -> None:
    prompted = PromptedText.instructed_query("Use {query} and {0}", "{instruction}")
    assert prompted.text == "Instruct: Use {query} and {0}\nQuery:{instruction}"
    assert prompted.template == ""


def test_reranker_body_protects_all_but_the_document() -> None:
    prompted = PromptedText.reranker_body("Judge", "Why?", "Because.")
    assert prompted.text == "<Instruct>: Judge\n<Query>: Why?\n<Document>: Because."
    assert prompted.text[prompted.protected :] == "Because."


def test_an_empty_instruction_is_refused() -> None:
    with pytest.raises(InputError, match='prompt=""'):
        query_prompt("  ")


def test_a_folder_without_prompts_has_the_published_ones(tmp_path: Path) -> None:
    prompts = Prompts.from_folder(tmp_path)
    assert prompts.query.startswith("Instruct: Given a web search query")
    assert prompts.document == prompts.named(None) == ""


def test_prompts_named_in_the_checkpoint_are_honoured(tmp_path: Path) -> None:
    settings = {"prompts": {"query": "q: ", "passage": "p: ", "title": "t: "}, "default_prompt_name": "title"}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings))
    prompts = Prompts.from_folder(tmp_path)
    assert (prompts.query, prompts.document) == ("q: ", "p: ")
    assert prompts.named(None) == prompts.named("title") == "t: "
    with pytest.raises(InputError, match="it has: document, passage, query, title"):
        prompts.named("summary")


@pytest.mark.parametrize("content", ["{", "[]", '{"prompts": {"query": 3}}', '{"default_prompt_name": "x"}'])
def test_malformed_prompt_files_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text(content)
    with pytest.raises(CheckpointError, match="config_sentence_transformers"):
        Prompts.from_folder(tmp_path)


def test_one_setting_serves_all_texts_or_one_each() -> None:
    assert per_text("a", 2, "instruction") == ["a", "a"]
    assert per_text(["a", "b"], 2, "instruction") == ["a", "b"]
    with pytest.raises(InputError, match="3 instructions were given for 2 texts"):
        per_text(["a", "b", "c"], 2, "instruction")
