from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from quiver import Embedder
from quiver.errors import FingerprintMismatch, InputError, ModelKindError, NumericalError, TooLongError
from quiver.results import Floats
from quiver.text.prompts import DEFAULT_INSTRUCTION
from quiver.text.truncation import Cut
from tests.checkpoints import break_embedding_table, write_checkpoint

TEXTS = [
    "The capital of China is Beijing.",
    "",
    "北京是中国的首都。 naïve café",
    "a",
    "Gravity is a force. " * 30,
    "The capital of China is Paris.",
    "עברית مرحبا हिन्दी e\u0301 \0 👩‍👩‍👧",
]
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def reference(embedder_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(embedder_folder), device="cpu", local_files_only=True)


def test_documents_are_sentence_transformers_documents(
    embedder: Embedder, reference: SentenceTransformer
) -> None:
    expected = reference.encode_document(TEXTS)
    np.testing.assert_allclose(embedder.encode_document(TEXTS), expected, atol=TOLERANCE)


def test_queries_are_sentence_transformers_queries(
    embedder: Embedder, reference: SentenceTransformer
) -> None:
    expected = reference.encode_query(TEXTS)
    np.testing.assert_allclose(embedder.encode_query(TEXTS), expected, atol=TOLERANCE)


def test_custom_prompts_and_dimensions_are_theirs(embedder: Embedder, reference: SentenceTransformer) -> None:
    expected = reference.encode(TEXTS, prompt="Classify: ", truncate_dim=24, normalize_embeddings=True)
    found = embedder.encode(TEXTS, prompt="Classify: ", truncate_dim=24)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_allclose(embedder.encode(TEXTS), reference.encode(TEXTS), atol=TOLERANCE)


def test_similarity_is_theirs(embedder: Embedder, reference: SentenceTransformer) -> None:
    queries, documents = embedder.encode_query(TEXTS[:2]), embedder.encode_document(TEXTS)
    expected = reference.similarity(queries.torch(), documents.torch()).numpy()
    np.testing.assert_allclose(embedder.similarity(queries, documents), expected, atol=TOLERANCE)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(TEXTS))), size=st.integers(1, len(TEXTS)))
def test_a_vector_does_not_depend_on_its_company(embedder: Embedder, order: list[int], size: int) -> None:
    chosen = order[:size]
    alone = np.stack([np.asarray(embedder.encode_document(TEXTS[i])) for i in chosen])
    together = embedder.encode_document([TEXTS[i] for i in chosen])
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)


def test_sharing_the_instruction_changes_nothing_but_the_work(embedder: Embedder) -> None:
    together = embedder.encode_query(TEXTS)
    alone = np.stack([np.asarray(embedder.encode_query(text)) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)
    shared = len(embedder.tokenize([""], prompt=embedder.prompts.query)[0]) - 1
    assert together.usage.tokens_saved >= (shared - 1) * (len(TEXTS) - 1)


def test_attention_both_ways_is_sentence_transformers_too(tmp_path: Path) -> None:
    """Then an instruction's states depend on the text behind it, and nothing is shared."""
    folder = write_checkpoint(tmp_path / "both-ways-embedding", is_causal=False)
    found = Embedder(folder, device="cpu", dtype="float32").encode_query(TEXTS)
    reference = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    np.testing.assert_allclose(found, reference.encode_query(TEXTS), atol=TOLERANCE)
    assert found.usage.tokens_saved == 0


def test_one_string_gives_one_vector(embedder: Embedder) -> None:
    one = embedder.encode_query("Why?")
    assert one.shape == (64,)
    np.testing.assert_allclose(one, embedder.encode_query(["Why?"])[0], atol=TOLERANCE)


def test_vectors_are_unit_float32_and_writable(embedder: Embedder) -> None:
    vectors = embedder.encode_document(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.flags.writeable
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_torch_out_shares_the_memory(embedder: Embedder) -> None:
    vectors = embedder.encode_document(TEXTS)
    tensor = vectors.torch()
    assert tensor.dtype == torch.float32
    tensor[0, 0] = 7
    assert vectors[0, 0] == 7


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.encode_document([]).shape == (0, 64)
    assert embedder.encode_query([], instruction="Find", truncate_dim=8).shape == (0, 8)


def test_an_instruction_per_call_and_per_text(embedder: Embedder) -> None:
    default = embedder.encode_query(["Why?", "How?"])
    same = embedder.encode_query(["Why?", "How?"], instruction=DEFAULT_INSTRUCTION)
    np.testing.assert_allclose(default, same, atol=TOLERANCE)
    each = embedder.encode_query(["Why?", "How?"], instruction=["Find code", DEFAULT_INSTRUCTION])
    by_hand = embedder.encode(["Instruct: Find code\nQuery:Why?"])
    np.testing.assert_allclose(each[:1], by_hand, atol=TOLERANCE)
    np.testing.assert_allclose(each[1], default[1], atol=TOLERANCE)
    assert not np.allclose(each[0], default[0], atol=1e-2)


def test_a_query_can_go_bare(embedder: Embedder) -> None:
    bare = embedder.encode_query("Why?", prompt="")
    np.testing.assert_allclose(bare, embedder.encode_document("Why?"), atol=TOLERANCE)


def test_contradicting_prompts_are_refused(embedder: Embedder) -> None:
    with pytest.raises(InputError, match="not both"):
        embedder.encode_query("Why?", instruction="Find", prompt="q: ")
    with pytest.raises(InputError, match="not both"):
        embedder.encode("Why?", prompt="q: ", prompt_name="query")
    with pytest.raises(InputError, match="2 instructions were given for 1 text"):
        embedder.encode_query("Why?", instruction=["a", "b"])


def test_matryoshka_vectors_are_cut_and_renormalised(embedder: Embedder) -> None:
    full = np.asarray(embedder.encode_document(TEXTS))
    short = embedder.encode_document(TEXTS, truncate_dim=16)
    expected = full[:, :16] / np.linalg.norm(full[:, :16], axis=1, keepdims=True)
    np.testing.assert_allclose(short, expected, atol=1e-6)
    assert short.fingerprint is not None
    assert short.fingerprint.dimension == 16


@pytest.mark.parametrize("dimension", [0, -1, 65])
def test_impossible_dimensions_are_refused(embedder: Embedder, dimension: int) -> None:
    with pytest.raises(InputError, match="between 1 and 64"):
        embedder.encode_document("a", truncate_dim=dimension)


def test_long_texts_are_an_error_unless_cutting_is_allowed(embedder_folder: Path) -> None:
    strict = Embedder(embedder_folder, device="cpu", dtype="float32", max_length=20)
    with pytest.raises(TooLongError, match="text 1"):
        strict.encode_document(["short", "no " * 50])
    cutting = Embedder(embedder_folder, device="cpu", dtype="float32", max_length=20, on_too_long="truncate")
    found = cutting.encode_document(["short", "no " * 50])
    whole = len(cutting.tokenize(["no " * 50])[0])
    assert found.cuts == (Cut(index=1, tokens=whole, kept=20),)


def test_a_cut_keeps_the_end_token(embedder_folder: Path, reference: SentenceTransformer) -> None:
    cutting = Embedder(embedder_folder, device="cpu", dtype="float32", max_length=20, on_too_long="truncate")
    found = cutting.encode_document("no " * 50)
    ids = cutting.tokenize(["no " * 50])[0]
    kept = np.concatenate([ids[:19], ids[-1:]]).astype(np.int64)
    with torch.no_grad():
        features = {"input_ids": torch.tensor(kept)[None], "attention_mask": torch.ones(1, 20)}
        expected = reference(features)["sentence_embedding"][0].numpy()
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_a_prompt_is_never_cut(embedder_folder: Path) -> None:
    cutting = Embedder(embedder_folder, device="cpu", max_length=10, on_too_long="truncate")
    with pytest.raises(TooLongError, match="never cut"):
        cutting.encode_query("Why?")


def test_documents_cannot_forge_special_tokens(embedder: Embedder, embedder_folder: Path) -> None:
    end = embedder.tokenize([""])[0][-1]
    for text in ("<|endoftext|>", "a<|endoftext|>", "<|im_end|>\n<|im_start|>system"):
        ids = embedder.tokenize([text])[0]
        assert np.count_nonzero(ids == end) == 1
        assert ids[-1] == end
    parsing = Embedder(embedder_folder, device="cpu", dtype="float32", parse_special_tokens=True)
    assert np.count_nonzero(parsing.tokenize(["a<|endoftext|>"])[0] == end) == 2


def test_the_switch_gives_the_references_vectors(
    embedder_folder: Path, reference: SentenceTransformer
) -> None:
    parsing = Embedder(embedder_folder, device="cpu", dtype="float32", parse_special_tokens=True)
    texts = ["<|im_start|>user", "a <think> b"]
    np.testing.assert_allclose(parsing.encode_document(texts), reference.encode(texts), atol=TOLERANCE)


def test_impossible_budgets_and_limits_are_refused(embedder_folder: Path) -> None:
    with pytest.raises(InputError, match="max_length must be at least 1"):
        Embedder(embedder_folder, max_length=0)
    with pytest.raises(InputError, match="token_budget must be at least 1"):
        Embedder(embedder_folder, token_budget=0)


@pytest.mark.parametrize("texts", ["ab\ud800", ["fine", "\udfff"], [None], [b"bytes"]])
def test_what_is_no_text_is_refused(embedder: Embedder, texts: list[str]) -> None:
    with pytest.raises(InputError):
        embedder.encode_document(texts)


def test_instructions_are_checked_like_texts(embedder: Embedder) -> None:
    with pytest.raises(InputError, match="instruction 0 has a lone surrogate"):
        embedder.encode_query("Why?", instruction="\ud800")


def test_a_stream_is_the_same_in_blocks(
    embedder: Embedder, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quiver.embedder.STREAM_CHARACTERS", 100)
    blocks = list(embedder.encode_stream(text for text in TEXTS))
    assert len(blocks) > 1
    np.testing.assert_allclose(np.concatenate(blocks), embedder.encode_document(TEXTS), atol=TOLERANCE)
    queries = list(embedder.encode_stream(iter(TEXTS), instruction="Find"))
    expected = embedder.encode_query(TEXTS, instruction="Find")
    np.testing.assert_allclose(np.concatenate(queries), expected, atol=TOLERANCE)
    cutting = Embedder(embedder_folder, device="cpu", max_length=40, on_too_long="truncate")
    cuts = [cut.index for block in cutting.encode_stream(iter(TEXTS)) for cut in block.cuts]
    assert cuts == [4, 6]


def test_a_stream_reads_no_further_than_it_must(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quiver.embedder.STREAM_CHARACTERS", 100)
    read: list[int] = []

    def endless() -> object:
        while True:
            read.append(len(read))
            yield "a" * 49

    next(iter(embedder.encode_stream(endless())))  # type: ignore[arg-type]
    assert len(read) == 2


def test_vectors_of_different_spaces_do_not_compare(embedder: Embedder, tmp_path: Path) -> None:
    other = Embedder(write_checkpoint(tmp_path / "other-embedding", seed=1), device="cpu", dtype="float32")
    ours, theirs = embedder.encode_document(TEXTS), other.encode_document(TEXTS)
    with pytest.raises(FingerprintMismatch, match="weights"):
        embedder.similarity(ours, theirs)
    with pytest.raises(FingerprintMismatch, match="weights"):
        embedder.similarity(theirs[2:4], ours)
    with pytest.raises(FingerprintMismatch, match="64 and 32"):
        embedder.similarity(ours, embedder.encode_document(TEXTS, truncate_dim=32))
    plain: Floats = np.asarray(theirs)
    assert embedder.similarity(ours, plain).shape == (len(TEXTS), len(TEXTS))


def test_a_result_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "hot-embedding")
    break_embedding_table(folder)
    with pytest.raises(NumericalError, match="text 0 gave a vector that is not finite"):
        Embedder(folder, device="cpu", dtype="float32").encode_document("a")


def test_a_vector_without_direction_is_an_error(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "overflowing-embedding", initializer_range=1e30)
    with pytest.raises(NumericalError, match="has no direction"):
        Embedder(folder, device="cpu", dtype="float32").encode_document("a")


def test_a_reranker_does_not_embed(reranker_folder: Path) -> None:
    with pytest.raises(ModelKindError):
        Embedder(reranker_folder)


def test_the_parts_of_a_call_give_what_the_call_gives(embedder: Embedder) -> None:
    texts = ["alpha", "beta gamma"]
    prepared = embedder.prepare_query(texts, instruction="Find letters")
    parts = embedder.finish(prepared, *embedder.forward(prepared.sequences), truncate_dim=64)
    whole = embedder.encode_query(texts, instruction="Find letters", truncate_dim=64)
    assert np.array_equal(parts, whole)
    assert parts.fingerprint == whole.fingerprint


def test_the_policy_of_one_call_replaces_the_models(embedder: Embedder) -> None:
    endless = "word " * (embedder.max_length + 10)
    with pytest.raises(TooLongError):
        embedder.prepare_document([endless])
    prepared = embedder.prepare_document(["short", endless], on_too_long="truncate")
    assert [cut.index for cut in prepared.cuts] == [1]
    assert len(prepared.sequences[1]) == embedder.max_length


def test_token_ids_are_texts_with_or_without_their_end_token(embedder: Embedder) -> None:
    (ids,) = embedder.tokenize(["some words"])
    prepared = embedder.prepare_tokens([ids.tolist(), ids[:-1].tolist()])
    assert all(np.array_equal(sequence, ids) for sequence in prepared.sequences)


@pytest.mark.parametrize("foreign", [[-1], [10**6], [[1]]])
def test_token_ids_that_the_model_does_not_have_are_refused(embedder: Embedder, foreign: list[int]) -> None:
    with pytest.raises(InputError, match="text 0 holds token ids"):
        embedder.prepare_tokens([foreign])


class TestLimitsOfACall:
    """What a server's clients may wish for."""

    def test_a_cut_at_the_start_keeps_the_prompt(self, embedder: Embedder) -> None:
        (whole,) = embedder.tokenize(["one two three four"], prompt="Find: ")
        prompt = len(embedder.pieces([""], prompt="Find: ")[0])
        length = len(whole) - 3
        prepared = embedder.prepare_query(
            ["one two three four"], prompt="Find: ", on_too_long="truncate_start", max_length=length
        )
        assert prepared.sequences[0].tolist() == [*whole[:prompt], *whole[prompt + 3 :]]
        assert prepared.cuts == (Cut(0, len(whole), length),)

    def test_a_call_cannot_raise_the_models_limit(self, embedder_folder: Path) -> None:
        small = Embedder(embedder_folder, device="cpu", dtype="float32", max_length=5)
        prepared = small.prepare_document(["a b c d e f g h"], on_too_long="truncate", max_length=100)
        assert len(prepared.sequences[0]) == 5

    def test_too_long_for_the_call(self, embedder: Embedder) -> None:
        with pytest.raises(TooLongError, match="max_length=4"):
            embedder.prepare_document(["one two three four five six"], max_length=4)
        with pytest.raises(TooLongError, match="max_length=4"):
            embedder.prepare_tokens([[1] * 10], max_length=4)
