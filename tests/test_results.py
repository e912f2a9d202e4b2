import numpy as np

from quiver.engine.plan import Usage
from quiver.models.fingerprint import Fingerprint
from quiver.results import Embeddings, RankedDocument, Ranking, Scores
from quiver.text.truncation import Cut

SPACE = Fingerprint(weights="w", tokenizer="t", pooling="p", prompts="p", dimension=2, precision="float32")


def test_embeddings_are_an_array_that_knows_more() -> None:
    found = Embeddings(np.eye(2, dtype=np.float32), Usage(9, 5), [Cut(0, 9, 5)], SPACE)
    assert isinstance(found, np.ndarray)
    assert (found.usage.tokens_saved, found.cuts[0].removed, found.fingerprint) == (4, 4, SPACE)


def test_slices_keep_the_space_but_not_the_report() -> None:
    found = Embeddings(np.eye(2, dtype=np.float32), Usage(9, 5), [Cut(0, 9, 5)], SPACE)
    part = found[:1].view(Embeddings)
    assert found[0].fingerprint == part.fingerprint == SPACE
    assert part.usage == Usage(0, 0)
    assert part.cuts == ()


def test_scores_squash_without_overflow() -> None:
    scores = Scores(np.asarray([-1000, 0, 1000], dtype=np.float32), Usage(), [])
    assert scores.tolist() == [0, 0.5, 1]
    assert scores.log_odds.tolist() == [-1000, 0, 1000]


def test_a_ranking_is_a_list_of_dictionaries() -> None:
    ranking = Ranking([RankedDocument(corpus_id=3, score=0.5, log_odds=0.0)], Usage(2, 1), [])
    assert ranking[0]["corpus_id"] == 3
    assert ranking.usage.tokens_saved == 1
