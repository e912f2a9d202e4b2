from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quiver.engine.plan import MAX_DEPTH, MIN_SAVED_TOKENS, Plan, PrefixNode, Usage, make_plan
from quiver.text.tokenizer import TokenIds


def sequence(*tokens: int) -> TokenIds:
    return np.asarray(tokens, dtype=np.int32)


@st.composite
def families(draw: st.DrawFn) -> list[TokenIds]:
    """Sequences that share prefixes of all lengths, nested and repeated."""
    stems = draw(st.lists(st.lists(st.integers(0, 2), max_size=40), min_size=1, max_size=3))
    found: list[TokenIds] = []
    for _ in range(draw(st.integers(0, 12))):
        stem = draw(st.sampled_from(stems))
        cut = draw(st.integers(0, len(stem)))
        tail = draw(st.lists(st.integers(0, 3), min_size=1, max_size=30))
        found.append(sequence(*stem[:cut], *tail))
    return found


def tokens_of(node: PrefixNode | None, sequences: Sequence[TokenIds]) -> list[int]:
    if node is None:
        return []
    own: list[int] = sequences[node.sequence][node.start : node.stop].tolist()
    parent = node.parent if node.parent is not None and node.parent.stop else None
    return tokens_of(parent, sequences) + own


def replay(plan: Plan, sequences: Sequence[TokenIds], token_budget: int, prefix_budget: int) -> None:
    """Run the plan on paper: everything in order, within the budgets, and each sequence whole."""
    alive: dict[PrefixNode, int] = {}
    done: dict[int, list[int]] = {}
    for step in plan.steps:
        size = sum(piece.length for piece in step.pieces)
        assert size <= token_budget or len(step.pieces) == 1
        prefixes = [piece.prefix for piece in step.pieces]
        assert len([p for i, p in enumerate(prefixes) if i == 0 or prefixes[i - 1] is not p]) == len(
            {id(p) for p in prefixes}
        ), "pieces of one prefix stand together"
        for piece in step.pieces:
            assert piece.length > 0
            assert piece.prefix is None or piece.prefix in alive, "a prefix is kept before it is continued"
        for node in step.nodes:
            alive[node] = node.length
        assert sum(alive.values()) <= prefix_budget
        if not step.nodes:
            for piece in step.pieces:
                own = sequences[piece.sequence][piece.start : piece.stop].tolist()
                assert piece.sequence not in done
                done[piece.sequence] = tokens_of(piece.prefix, sequences) + own
        for node in step.release:
            del alive[node]
    assert not alive, "all prefixes are released"
    for index, stand_in in enumerate(plan.representative):
        assert done[int(stand_in)] == sequences[index].tolist()


@given(families(), st.integers(1, 60), st.integers(0, 60), st.booleans())
@example([sequence(1)] * 3, 1, 1, False)
def test_every_sequence_runs_whole_and_within_budget(
    sequences: list[TokenIds], token_budget: int, prefix_budget: int, split_longer: bool
) -> None:
    plan = make_plan(sequences, token_budget, prefix_budget, split_longer=split_longer)
    replay(plan, sequences, token_budget, prefix_budget)
    assert 0 <= plan.usage.tokens_computed <= plan.usage.tokens_in == sum(map(len, sequences))


def test_no_sequences_need_no_steps() -> None:
    plan = make_plan([], 10, 10)
    assert [step for step in plan.steps if step.pieces] == []
    assert plan.usage == Usage(0, 0)


def test_a_reranking_call_computes_the_question_once() -> None:
    rng = np.random.default_rng(0)
    question = rng.integers(10, 99, 70)
    documents = [
        np.concatenate([question, [i], rng.integers(10, 99, 40)]).astype(np.int32) for i in range(100)
    ]
    plan = make_plan(documents, 1000, 1000)
    assert plan.usage == Usage(100 * 111, 70 + 100 * 41)
    assert plan.usage.tokens_saved == 99 * 70


def test_many_questions_share_the_template_and_each_its_own() -> None:
    template = list(range(1000, 1050))
    sequences = [
        sequence(*template, *[2000 + query] * 30, 3000 + document, 7)
        for query in range(5)
        for document in range(4)
    ]
    assert make_plan(sequences, 500, 500).usage.tokens_computed == 50 + 5 * 30 + 20 * 2


def test_equal_texts_run_once() -> None:
    plan = make_plan([sequence(1, 2, 3), sequence(4), sequence(1, 2, 3)], 10, 10)
    assert plan.usage == Usage(7, 4)
    assert plan.representative.tolist() == [0, 1, 0]


def test_a_few_shared_tokens_are_not_worth_a_prefix() -> None:
    short = MIN_SAVED_TOKENS - 1
    assert make_plan([sequence(*[5] * short, 1), sequence(*[5] * short, 2)], 99, 99).usage.tokens_saved == 0
    enough = MIN_SAVED_TOKENS
    plan = make_plan([sequence(*[5] * enough, 1), sequence(*[5] * enough, 2)], 99, 99)
    assert plan.usage.tokens_saved == enough


def test_a_prefix_longer_than_its_budget_is_shared_as_far_as_it_goes() -> None:
    sequences = [sequence(*[5] * 100, last) for last in range(3)]
    plan = make_plan(sequences, 1000, 40)
    replay(plan, sequences, 1000, 40)
    assert plan.usage.tokens_saved == 2 * 40


def test_hostile_nesting_is_bounded() -> None:
    sequences = [sequence(*[5] * (20 * depth), 1) for depth in range(1, 400)]
    plan = make_plan(sequences, 4096, 100_000)
    replay(plan, sequences, 4096, 100_000)
    depths = [sum(1 for _ in ancestors(node)) for step in plan.steps for node in step.nodes]
    assert max(depths) <= MAX_DEPTH


def ancestors(node: PrefixNode | None) -> list[PrefixNode]:
    return [] if node is None or not node.stop else [node, *ancestors(node.parent)]


@pytest.mark.parametrize("budget", [1, 7, 64])
def test_a_text_beyond_the_budget_runs_alone(budget: int) -> None:
    sequences = [np.arange(100, dtype=np.int32), sequence(900, 901)]
    replay(make_plan(sequences, budget, 10), sequences, budget, 10)


@pytest.mark.parametrize(("length", "longest_step"), [(300, 30), (3000, 188)])
def test_a_text_beyond_the_budget_runs_in_parts_if_wanted(length: int, longest_step: int) -> None:
    sequences = [np.arange(length, dtype=np.int32), sequence(9000, 9001)]
    plan = make_plan(sequences, 30, 4000, split_longer=True)
    replay(plan, sequences, longest_step, 4000)
    assert plan.usage.tokens_saved == 0


@given(families(), st.integers(1, 60), st.booleans())
def test_without_room_for_prefixes_every_distinct_text_runs_whole(
    sequences: list[TokenIds], token_budget: int, split_longer: bool
) -> None:
    plan = make_plan(sequences, token_budget, 0, split_longer=split_longer)
    pieces = [piece for step in plan.steps for piece in step.pieces]
    assert all((p.start, p.stop, p.prefix) == (0, len(sequences[p.sequence]), None) for p in pieces)
    assert len(pieces) == len({sequence.tobytes() for sequence in sequences})


def test_a_text_whose_parts_cannot_be_kept_runs_alone() -> None:
    sequences = [np.arange(300, dtype=np.int32)]
    plan = make_plan(sequences, 30, 299, split_longer=True)
    assert [piece.length for step in plan.steps for piece in step.pieces] == [300]
