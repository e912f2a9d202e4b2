"""Turns the embedder's vectors so that their first dimensions find as well as they can.

A turn changes no cosine of whole vectors. The principal axes, which lead before, carry most of what texts
differ by, their language and kind among it; what tells a text from its neighbours, and a translation from
others, may lie behind the cut. So the turn learns that vectors cut short find what belongs together and keep
the whole vectors' cosines. Only the output matrix of the last layer changes, and the last norm's weights go
into it.

    python nested.py --cache CACHE --rows ALL/rows.jsonl --work WORK
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import orthogonal
from transformers import Qwen3Model

from collected import Reading, Text, collected, course_parser
from descent import descend
from embedder import relation
from export import write_tokenizer
from quiver import Embedder
from refine import CUTS, write
from repool import Drawn, Group, finding
from stream import CONTENT, HIDDEN
from traces import LAYERS

_SHORT = (*CUTS[1:], HIDDEN // 8)
_RATE, _FIND_SHARE = 1e-3, 4.0
_LONGEST, _TELL_STEPS = 400, 100
OUTPUT = f"layers.{LAYERS + 1}.self_attn.o_proj.weight"


def embedded(texts: Sequence[Text], folder: Path) -> torch.Tensor:
    """Embed texts [texts, content] as they are served: queries behind the default instruction."""
    embedder = Embedder(str(folder), max_length=_LONGEST, on_too_long="truncate")
    vectors = np.zeros((len(texts), CONTENT), dtype=np.float32)
    for asked, encode in ((False, embedder.encode_document), (True, embedder.encode_query)):
        numbers = [i for i, text in enumerate(texts) if (text.reading != Reading.DOCUMENT) == asked]
        vectors[numbers] = np.asarray(encode([texts[i].text for i in numbers]))[:, :CONTENT]
    return normalize(torch.from_numpy(vectors), dim=-1)


def loss_of(turned: torch.Tensor, whole: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
    """Give how far vectors cut short are from the whole ones' cosines, and from finding their own."""
    losses = []
    sizes = [len(group.texts) for group in groups]
    for found, target, group in zip(turned.split(sizes), whole.split(sizes), groups, strict=True):
        losses += [relation(found[:, :cut], target) for cut in _SHORT]
        if group.queries:
            losses.append(_FIND_SHARE * finding(found, target, group, _SHORT))
    return torch.stack(losses).sum()


def learnt_turn(vectors: torch.Tensor, drawn: Drawn, steps: int) -> torch.Tensor:
    """Learn the turn [content, content] of vectors, some milliseconds a step."""
    turn = torch.nn.Linear(CONTENT, CONTENT, bias=False)
    orthogonal(turn, orthogonal_map="cayley")
    turn.weight = torch.eye(CONTENT)
    optimizer = torch.optim.Adam(turn.parameters(), betas=(0.9, 0.98))
    generator = random.Random(0)

    def loss_of_step() -> torch.Tensor:
        groups = drawn.groups(generator)
        whole = vectors[[number for group in groups for number in group.texts]]
        return loss_of(turn(whole), whole, groups)

    descend(optimizer, loss_of_step, rate=_RATE, steps=steps, label="turn", tell_steps=_TELL_STEPS)
    return turn.weight.detach()


@torch.no_grad()
def put_into(model: Qwen3Model, turn: torch.Tensor) -> None:
    """Let the last layer write turned vectors, all axes as loud as they were."""
    output, norm = model.get_parameter(OUTPUT), model.get_parameter("norm.weight")
    output[:CONTENT] = turn @ (norm[:CONTENT, None] * output[:CONTENT])
    norm.copy_((torch.arange(HIDDEN) < CONTENT).float())


def main() -> None:
    """Turn the embedder of WORK/repooled and write it to WORK/nested."""
    arguments = course_parser(__doc__, 800).parse_args()
    work: Path = arguments.work
    texts = collected(arguments.cache, arguments.rows, work)
    write_tokenizer(work / "tokenizer.json", work / "repooled", closes_texts=True)
    turn = learnt_turn(embedded(texts.texts, work / "repooled"), Drawn(texts), arguments.steps)
    model = Qwen3Model.from_pretrained(work / "repooled", dtype=torch.float32).eval()
    put_into(model, turn)
    # Eight bits would blur every number of a matrix that mixes loud axes with quiet ones.
    write(model, work / "repooled", work / "nested", finer={OUTPUT})


if __name__ == "__main__":
    main()
