"""Plan: which tokens run together, and which prefixes run once for many sequences.

Shared prefixes are found on the token sequences themselves. Sorting the sequences makes those that begin
alike neighbours, and the lengths of what neighbours have in common form a tree: every inner node is a prefix
that at least two sequences continue. A node is kept as a prefix where it saves enough tokens; its keys and
values live only while sequences that continue it are still to run. Equal sequences run once.

Pure arithmetic on integers: no tensors, no engine. Costs one sort and one pass over the neighbours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from quiver.text.tokenizer import TokenIds

MIN_SAVED_TOKENS = 16
"""A prefix costs an attention pass of its own; below this many saved tokens it does not pay."""

MAX_DEPTH = 16
"""Prefixes within prefixes; more than templates need, few enough to attend to one by one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call cost, in tokens."""

    tokens_in: int = 0
    tokens_computed: int = 0

    @property
    def tokens_saved(self) -> int:
        """Tokens that were given but did not run, thanks to shared prefixes and repeated texts."""
        return self.tokens_in - self.tokens_computed

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.tokens_in + other.tokens_in, self.tokens_computed + other.tokens_computed)


@dataclass(eq=False, slots=True)
class PrefixNode:
    """Tokens ``start:stop`` of ``sequence``, which every sequence below the node begins with."""

    sequence: int
    start: int
    stop: int
    parent: "PrefixNode | None" = None
    children: list["PrefixNode"] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    """Sequences that continue this prefix and no longer one."""

    @property
    def length(self) -> int:
        """Tokens that the node adds to its parent's."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens ``start:stop`` of ``sequence``, run as a continuation of ``prefix``."""

    sequence: int
    start: int
    stop: int
    prefix: PrefixNode | None

    @property
    def length(self) -> int:
        """Tokens to run."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Step:
    """One batch for the engine.

    Either ``nodes`` names the prefix that each piece is kept as, or it is empty and the pieces are the ends
    of sequences whose last rows are wanted. ``release`` holds prefixes that no later step continues.
    """

    pieces: Sequence[Piece]
    nodes: Sequence[PrefixNode] = ()
    release: Sequence[PrefixNode] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and for every input sequence the representative that runs in its place."""

    steps: Sequence[Step]
    representative: npt.NDArray[np.int64]
    usage: Usage


def make_plan(
    sequences: Sequence[TokenIds], token_budget: int, prefix_budget: int, *, split_longer: bool = False
) -> Plan:
    """Plan the forward passes for non-empty token sequences.

    A step holds at most ``token_budget`` tokens (or one longer piece), and at most ``prefix_budget`` tokens
    of prefixes are kept at any time; with 0 every distinct sequence runs whole. ``split_longer`` cuts
    longer pieces into a chain of kept prefixes, where these fit: for whoever needs short steps, as keeping
    takes time.
    """
    order, representative = _sort_and_merge(sequences)
    root = _prefix_tree(sequences, order, prefix_budget)
    if split_longer:
        _split_longer(root, sequences, token_budget, prefix_budget)
    kept_below = _kept_tokens(root)
    steps = tuple(_schedule(root, kept_below, sequences, token_budget, prefix_budget))
    computed = sum(piece.length for step in steps for piece in step.pieces)
    return Plan(steps, representative, Usage(sum(map(len, sequences)), computed))


def _sort_and_merge(
    sequences: Sequence[TokenIds],
) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Indices of the distinct sequences in lexicographic order, and each sequence's stand-in."""
    keys = [sequence.astype(">u4").tobytes() for sequence in sequences]
    representative = np.arange(len(sequences), dtype=np.int64)
    order: list[int] = []
    for index in sorted(range(len(keys)), key=keys.__getitem__):
        if order and keys[index] == keys[order[-1]]:
            representative[index] = order[-1]
        else:
            order.append(index)
    return order, representative


def _common_length(first: TokenIds, second: TokenIds) -> int:
    shortest = min(len(first), len(second))
    differing = np.flatnonzero(first[:shortest] != second[:shortest])
    return int(differing[0]) if len(differing) else shortest


def _prefix_tree(sequences: Sequence[TokenIds], order: Sequence[int], longest_prefix: int) -> PrefixNode:
    """The tree of shared prefixes worth keeping; its root is the empty prefix.

    The classic construction of suffix-tree intervals: a stack of open nodes by depth, closed as soon as the
    next neighbour has less in common. A leaf keeps at least one token of its own, whose row is wanted.
    """
    root = PrefixNode(order[0] if order else 0, 0, 0)
    stack = [root]
    for position, index in enumerate(order):
        shared = 0
        if position + 1 < len(order):
            after = sequences[order[position + 1]]
            shared = min(_common_length(sequences[index], after), longest_prefix)
            shared = min(shared, len(sequences[index]) - 1, len(after) - 1)
        if shared > stack[-1].stop:
            stack.append(PrefixNode(index, 0, shared))
        stack[-1].leaves.append(index)
        while shared < stack[-1].stop:
            closed = stack.pop()
            if shared > stack[-1].stop:
                stack.append(PrefixNode(index, 0, shared))
            stack[-1].children.append(closed)
    _keep_worthwhile(root)
    return root


def _keep_worthwhile(root: PrefixNode) -> None:
    """Dissolve nodes that save too little, or lie too deep, into their parents, from the root down."""
    pending = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        unchecked, node.children = node.children, []
        while unchecked:
            child = unchecked.pop()
            child.start, child.parent = node.stop, node
            branches = len(child.children) + len(child.leaves)
            if depth < MAX_DEPTH and child.length * (branches - 1) >= MIN_SAVED_TOKENS:
                node.children.append(child)
                pending.append((child, depth + 1))
            else:
                node.leaves += child.leaves
                unchecked += child.children


def _split_longer(
    root: PrefixNode, sequences: Sequence[TokenIds], token_budget: int, prefix_budget: int
) -> None:
    """Cut nodes and ends of sequences that exceed a step into chains of at most MAX_DEPTH nodes."""
    for node in list(_descend([root])):
        for child in [each for each in node.children if each.length > token_budget]:
            node.children.remove(child)
            last = _chain(node, child.sequence, child.stop, token_budget)
            child.start, child.parent = last.stop, last
            last.children.append(child)
        for leaf in [each for each in node.leaves if len(sequences[each]) - node.stop > token_budget]:
            if len(sequences[leaf]) <= prefix_budget:
                node.leaves.remove(leaf)
                _chain(node, leaf, len(sequences[leaf]), token_budget).leaves.append(leaf)


def _chain(node: PrefixNode, sequence: int, stop: int, token_budget: int) -> PrefixNode:
    """Nodes from ``node`` on, of equal lengths; what is left from the last one to ``stop`` is as long."""
    length = stop - node.stop
    parts = min(-(-length // token_budget), MAX_DEPTH)
    borders = [node.stop + length * part // parts for part in range(parts)]
    for start, end in pairwise(borders):
        below = PrefixNode(sequence, start, end, parent=node)
        node.children.append(below)
        node = below
    return node


def _schedule(
    node: PrefixNode,
    kept_below: dict[PrefixNode, int],
    sequences: Sequence[TokenIds],
    token_budget: int,
    prefix_budget: int,
) -> Iterator[Step]:
    """Run all that continues ``node``; siblings whose prefixes fit the budget together go in one wave.

    Of a subtree too large for the budget only the top is kept while its branches go in waves beneath it.
    """
    yield from _end_steps([node], sequences, token_budget)
    for wave in _waves(node.children, kept_below, prefix_budget):
        top = wave[0]
        if kept_below[top] <= prefix_budget:
            yield from _run_wave(wave, sequences, token_budget)
        else:
            yield from _keep_steps([top], token_budget)
            remaining = prefix_budget - top.length
            yield from _schedule(top, kept_below, sequences, token_budget, remaining)
            yield Step((), release=(top,))


def _kept_tokens(root: PrefixNode) -> dict[PrefixNode, int]:
    """Tokens that keeping a whole subtree takes, for every node."""
    nodes = list(_descend([root]))
    kept = {node: node.length for node in nodes}
    for node in reversed(nodes):
        if node.parent is not None:
            kept[node.parent] += kept[node]
    return kept


def _descend(nodes: Sequence[PrefixNode]) -> Iterator[PrefixNode]:
    """Parents before children, each subtree's nodes next to each other."""
    stack = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def _waves(
    nodes: Sequence[PrefixNode], kept: dict[PrefixNode, int], budget: int
) -> Iterator[list[PrefixNode]]:
    wave: list[PrefixNode] = []
    tokens = 0
    for node in nodes:
        if wave and tokens + kept[node] > budget:
            yield wave
            wave, tokens = [], 0
        wave.append(node)
        tokens += kept[node]
    if wave:
        yield wave


def _run_wave(
    roots: Sequence[PrefixNode], sequences: Sequence[TokenIds], token_budget: int
) -> Iterator[Step]:
    """Keep the subtrees' prefixes level by level, then run everything that continues them."""
    nodes = list(_descend(roots))
    level = list(roots)
    while level:
        yield from _keep_steps(level, token_budget)
        level = [child for node in level for child in node.children]
    yield from _end_steps(nodes, sequences, token_budget)
    yield Step((), release=tuple(nodes))


def _keep_steps(nodes: Sequence[PrefixNode], token_budget: int) -> Iterator[Step]:
    pieces = [Piece(n.sequence, n.start, n.stop, _real(n.parent)) for n in nodes]
    for first, last in _pack([piece.length for piece in pieces], token_budget):
        yield Step(pieces[first:last], nodes[first:last])


def _end_steps(
    nodes: Sequence[PrefixNode], sequences: Sequence[TokenIds], token_budget: int
) -> Iterator[Step]:
    """The ends of the sequences, those of one prefix together, the longest first."""
    pieces: list[Piece] = []
    for node in nodes:
        ends = sorted(node.leaves, key=lambda leaf: len(sequences[leaf]), reverse=True)
        pieces += [Piece(leaf, node.stop, len(sequences[leaf]), _real(node)) for leaf in ends]
    for first, last in _pack([piece.length for piece in pieces], token_budget):
        yield Step(pieces[first:last])


def _real(node: PrefixNode | None) -> PrefixNode | None:
    """The root is the empty prefix: nothing to continue."""
    return node if node is not None and node.stop else None


def _pack(lengths: Sequence[int], token_budget: int) -> Iterator[tuple[int, int]]:
    """Ranges of consecutive pieces within the budget; a longer piece stands alone."""
    first = tokens = 0
    for position, length in enumerate(lengths):
        if position > first and tokens + length > token_budget:
            yield first, position
            first, tokens = position, 0
        tokens += length
    if lengths:
        yield first, len(lengths)
