from quiver.evaluate.report import to_html
from quiver.evaluate.tune import USUAL_INSTRUCTIONS, Candidate, Verdict, tune_instruction
from tests.evaluate.tune.world import NoisyEncoder, world


def test_the_better_instruction_is_found() -> None:
    encoder = NoisyEncoder({"Find it": 0.5}, usual=1.2)
    advice = tune_instruction(world(300), encoder, ["Lose it", "Find it"])
    assert advice.value == Candidate("Find it")
    assert advice.verdict is Verdict.HOLDS
    assert advice.table.rows[0][0] == "Find it"
    assert 'instruction="Find it"' in advice.python
    assert "--instruction 'Find it'" in advice.shell


def test_documents_are_embedded_once() -> None:
    encoder = NoisyEncoder()
    tune_instruction(world(40), encoder, ["a", "b", "c"])
    assert encoder.documents_embedded == 40


def test_no_instruction_may_be_best() -> None:
    advice = tune_instruction(world(300), NoisyEncoder({"bare": 0.5}, usual=1.2), ["Find it"])
    assert advice.value == Candidate(bare=True)
    assert 'prompt=""' in advice.python


def test_the_model_s_own_prompt_may_be_best() -> None:
    advice = tune_instruction(world(300), NoisyEncoder({None: 0.5}, usual=1.2), ["Find it"])
    assert advice.value == Candidate()
    assert advice.verdict is Verdict.DEFAULT


def test_equal_instructions_leave_the_default() -> None:
    advice = tune_instruction(world(120), NoisyEncoder(), [f"Find {number}" for number in range(12)])
    assert advice.value == Candidate()
    assert advice.verdict is not Verdict.HOLDS


def test_too_few_queries_are_said_to_be_too_few() -> None:
    advice = tune_instruction(world(12), NoisyEncoder({"Find it": 0.1}, usual=2), ["Find it"])
    assert advice.verdict is Verdict.UNCLEAR
    assert advice.value == Candidate()
    assert "There are only 12 labelled queries" in advice.reason


def test_instructions_are_data_on_the_page_and_in_the_shell() -> None:
    hostile = "</title><script>alert('x')</script>; $(rm)"
    advice = tune_instruction(world(300), NoisyEncoder({hostile: 0.4}, usual=1.5), [hostile])
    assert advice.value == Candidate(hostile)
    assert "<script" not in to_html(advice.page())
    assert "'</title><script>alert('\"'\"'x'\"'\"')</script>; $(rm)'" in advice.shell


def test_the_usual_instructions_are_sentences_that_differ() -> None:
    assert len(set(USUAL_INSTRUCTIONS)) == len(USUAL_INSTRUCTIONS) >= 10
    assert all(text.startswith("Given a") for text in USUAL_INSTRUCTIONS)
