"""Threshold: what a reranker's score is worth, and from which score on to believe it."""

import json
import math
import shlex

import numpy as np

from quiver.errors import InputError
from quiver.evaluate.extra import check_installed
from quiver.evaluate.interval import Interval
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.systems import Encoder, PairScorer
from quiver.evaluate.tune.advice import Advice, Verdict, few_words, too_few
from quiver.evaluate.tune.calibration import calibrate, reliability
from quiver.evaluate.tune.candidates import Judgements, first_ranking, judge
from quiver.evaluate.tune.cutoffs import Cutoffs, Goal, Pairs, table_of_cutoffs
from quiver.evaluate.tune.halves import BOUND, halve, share_repeated

CANDIDATES = 20
"""Documents of each query that are scored: as many as a search reranks."""
DEFAULT_CUTOFF = 0.5
"""Where "yes" becomes likelier than "no"."""


def tune_threshold(
    labels: RankingTask,
    embedder: Encoder,
    reranker: PairScorer,
    *,
    candidates: int = CANDIDATES,
    precision: float | None = None,
    model: str | None = None,
    show_progress_bar: bool | None = None,
) -> Advice[float]:
    """Choose the score from which on documents count as relevant, and calibrate the scores.

    Args:
        labels: queries, documents and which answers which; what is not labelled counts as irrelevant.
        embedder: finds the candidates.
        reranker: scores them.
        candidates: how many of each query.
        precision: share of what is kept that must be relevant, with as high a recall as can be had; None
            looks for the best F1.
        model: the reranker's name, for the configuration lines.
        show_progress_bar: None shows bars if standard error is a terminal.

    Raises InputError if all candidates are relevant, or none is.
    """
    check_installed()
    if precision is not None and not 0 < precision <= 1:
        raise InputError(f"the precision must be a share up to 1, not {precision}")
    if candidates < 1:
        raise InputError(f"there must be a candidate at least, not {candidates}")
    ranking = first_ranking(labels, embedder, show_progress_bar)
    judged = judge(labels, ranking, reranker, [candidates], show_progress_bar)
    pairs = _pairs(labels, judged)
    if not 0 < pairs.relevant.sum() < len(pairs.relevant):
        raise InputError(
            f"of {len(pairs.relevant):,} candidates {int(pairs.relevant.sum()):,} are relevant: there is "
            "nothing to tell apart; label more, or let more candidates be scored"
        )
    return _advice(labels, pairs, Goal(precision), model)


def _pairs(labels: RankingTask, judged: Judgements) -> Pairs:
    """All that was judged, with the number of its query; queries of one text stay apart."""
    text_of = dict(zip(labels.document_ids, labels.documents, strict=True))
    rows = []
    for place, (own, query) in enumerate(zip(labels.query_ids, labels.queries, strict=True)):
        answers = {text_of[document] for document, grade in labels.grades[own].items() if grade > 0}
        rows += [(place, judged.scores[query, text], text in answers) for text in judged.candidates[place]]
    places, odds, relevant = zip(*rows, strict=True)
    return Pairs(
        np.asarray(places), np.asarray(odds, dtype=np.float64), np.asarray(relevant), len(labels.queries)
    )


def _advice(labels: RankingTask, pairs: Pairs, goal: Goal, model: str | None) -> Advice[float]:
    first, second = (pairs.of(half) for half in halve(pairs.count))
    default = math.log(DEFAULT_CUTOFF / (1 - DEFAULT_CUTOFF))
    chosen = Cutoffs(first).best(goal)
    verdict, reason = _checked(pairs, second, chosen, default, goal)
    if too_few(labels):
        verdict, reason = Verdict.UNCLEAR, few_words(labels)
    odds = chosen if verdict is Verdict.HOLDS and chosen is not None else default
    score = _probability(odds)
    written = f"{score:.4f}" if 0.001 < score < 0.999 else f"{score:.7f}"
    calibration = calibrate(first)
    named = json.dumps(model, ensure_ascii=False) if model else ""
    option = f" --model {shlex.quote(model)}" if model else ""
    return Advice(
        title="From which score on",
        value=score,
        recommended=f"keep documents that score {written} or more",
        verdict=verdict,
        reason=f"{reason} {calibration.words(second)}",
        python=f'[d for d in Reranker({named}).rank(query, documents) if d["score"] >= {written}]',
        shell=f'quiver rerank "…"{option} --input FILE --min-score {written}',
        table=table_of_cutoffs(second, [odds, default], [_probability(odds), DEFAULT_CUTOFF]),
        figures=reliability(second, calibration),
    )


def _checked(
    pairs: Pairs, second: Pairs, chosen: float | None, default: float, goal: Goal
) -> tuple[Verdict, str]:
    """How the cut-off does on the second half."""
    if chosen is None:
        return (
            Verdict.DEFAULT,
            f"No score reaches a precision of {goal.precision:.0%} on half of the queries.",
        )
    found = Cutoffs(second)
    precision, recall = found.precision(chosen), found.recall(chosen)
    repeated = share_repeated(
        lambda queries: _bin(Cutoffs(pairs.of(queries)).best(goal)), pairs.count, _bin(chosen)
    )
    words = (
        f"Chosen on half of the queries: {_probability(chosen):.4f} (log-odds {chosen:+.2f}). On the other "
        f"{second.count:,} queries its precision is {precision:.1%} and its recall among the candidates "
        f"{recall:.1%} (95 % of resamples); {repeated:.0%} of other halves choose about the same."
    )
    if goal.precision is None:
        gain = found.gain_in_f1(chosen, default)
        words += f" Its F1 is {gain:+.4f} against the cut-off {DEFAULT_CUTOFF}."
        return _verdict(gain, 0.0), words
    surely = found.precision(chosen, BOUND)
    words += f" Its precision is at least {surely.low:.1%} with 95 % confidence."
    return _verdict(surely, goal.precision), words


def _verdict(found: Interval, wanted: float) -> Verdict:
    if found.low > wanted or found.low == wanted == 1:
        return Verdict.HOLDS
    return Verdict.DEFAULT if found.high < wanted else Verdict.UNCLEAR


def _bin(odds: float | None) -> int:
    """Cut-offs within a step of log-odds count as the same."""
    return -1000 if odds is None else round(odds)


def _probability(odds: float) -> float:
    return float(np.exp(-np.logaddexp(0.0, -odds)))
