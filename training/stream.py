"""Where the embedder's hidden state keeps what: the teacher's state, and beside it what the network needs."""

from __future__ import annotations

from teacher import TEACHER_DIMENSION

CONTENT = TEACHER_DIMENSION
"""Places of the teacher's state; the others follow"""
HEADS, HEAD_DIMENSION = 13, 32
HIDDEN = HEADS * HEAD_DIMENSION
FEED_FORWARD = 1312
ROTARY_BASE = 1e16
"""Pairs turn by 1, 0.1, 0.01, ... radians a token: the first three tell places, the others hardly turn."""

CONSTANT, LOUDNESS = CONTENT, CONTENT + 1
"""1 in every token, later as large as its content; one over its vector's spread, as the first norm has it"""
STEADY = CONTENT + 30
"""The same in every token, whatever its content"""
FIRST, SECOND, THIRD, ASKED, CLOSING = range(CONTENT + 2, CONTENT + 7)
"""Marks: the three tokens that begin a document or a query, those of a query, and the end token"""
BEGUN = HIDDEN - 1
"""Mark of the first of the tokens that begin a query"""
MASKED, INSTRUCTED, BEHIND = range(CONTENT + 7, CONTENT + 10)
"""Whether a token belongs to an instruction, whether the text has one, whether the token stands behind it"""
FEATURES = range(CONTENT + 10, CONTENT + 30)
"""What tells a token's place, in the first layer only"""
