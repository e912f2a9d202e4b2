"""Text Embeddings Inference: ``/embed``, ``/rerank``, ``/tokenize``, ``/info``.

``/rerank`` is also vLLM's: a body with ``texts`` is TEI's, one with ``documents`` is vLLM's.
"""

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import Discriminator, Field, RootModel, Tag
from starlette.responses import Response

import quiver
from quiver.embedder import Embedder
from quiver.server.answers import answer, headers_of
from quiver.server.batching.call import Call
from quiver.server.dialects import reranking
from quiver.server.dialects.reranking import RerankRequest, RerankResponse, best_first, reranked
from quiver.server.dialects.shapes import Asked, Positive, Texts, TokenLists, Tokens, Told, rows_of
from quiver.server.errors import ErrorShape, Kind, Refusal
from quiver.server.gate import Gate
from quiver.server.roles import QUERY, Role, choose_role
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Service, Wish
from quiver.text.tokenizer import END_TOKEN, TokenPiece
from quiver.text.truncation import TooLongPolicy

Direction = Literal["Left", "Right", "left", "right"]
TruncateField = Annotated[bool | None, Field(description="Cut longer texts; else they are an error.")]
DirectionField = Annotated[Direction | None, Field(description="Which end is cut; Right if absent.")]


class EmbedRequest(Asked):
    """Texts, or lists of the model's own token ids."""

    inputs: str | Texts | Tokens | TokenLists
    normalize: bool | None = Field(None, description="Vectors always are; false is refused.")
    truncate: TruncateField = None
    truncation_direction: DirectionField = None
    prompt_name: str | None = Field(
        None, description="`query`, `document` (the default), or a prompt of the model's own."
    )
    instruction: str | None = Field(
        None, description="The task, in one sentence; makes queries of the texts."
    )
    dimensions: Positive | None = None
    encoding_format: Literal["float", "base64"] | None = None


class TextsRerankRequest(Asked):
    """A query and texts."""

    query: str
    texts: Texts
    truncate: TruncateField = None
    truncation_direction: DirectionField = None
    raw_scores: bool | None = Field(None, description="Scores as log-odds instead of probabilities.")
    return_text: bool | None = None
    instruction: str | None = Field(None, description="The task, in one sentence, instead of the default.")


class AnyRerankRequest(
    RootModel[
        Annotated[
            Annotated[RerankRequest, Tag("(documents)")] | Annotated[TextsRerankRequest, Tag("(texts)")],
            Discriminator(lambda asked: "(documents)" if _has_documents(asked) else "(texts)"),
        ]
    ]
):
    """A query with ``texts`` (TEI) or with ``documents`` (vLLM, Jina, Cohere)."""


class TokenizeRequest(Asked):
    """Texts to tokens."""

    inputs: str | Texts
    add_special_tokens: bool = True
    prompt_name: str | None = None


class Rank(Told):
    """A text's relevance."""

    index: int
    score: float


class Token(Told):
    """One token."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class Ranks(RootModel[list[Rank]]):
    """Texts, the best first."""


class Vectors(RootModel[list[list[float] | str]]):
    """Vectors in input order."""


class TokenTable(RootModel[list[list[Token]]]):
    """Tokens of each text."""


class Info(Told):
    """What is served."""

    model_id: str
    version: str
    max_input_length: int


class ErrorBody(Told):
    """What TEI's clients read."""

    error: str
    error_type: str


ERROR_TYPES: dict[Kind, str] = {
    "overloaded": "Overloaded",
    "draining": "Unhealthy",
    "deadline": "Backend",
    "broken_result": "Backend",
}


def error_body(refusal: Refusal) -> dict[str, Any]:
    """A refusal as TEI writes it."""
    return {"error": str(refusal), "error_type": ERROR_TYPES.get(refusal.kind, "Validation")}


ERRORS = ErrorShape(
    error_body, ErrorBody, {"invalid": 422, "too_long": 413, "broken_result": 424, "not_json": 415}
)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect."""
    routes = APIRouter(route_class=guarded_route(gate, _shape), tags=["TEI"])
    errors = ERRORS.responses()

    @routes.post("/", responses={200: {"model": Vectors}, **errors})
    @routes.post("/embed", responses={200: {"model": Vectors}, **errors})
    async def embed(asked: EmbedRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Embed texts; without `prompt_name` they are bare documents."""
        if asked.normalize is False:
            raise Refusal("invalid", "normalize: vectors have length 1 here and no other", field="normalize")
        done = await service.embed(_listed(asked.inputs), _wish(asked), call)
        return answer(rows_of(done.vectors, asked.encoding_format or "float"), headers_of(done))

    rank_responses = {200: {"model": Ranks | RerankResponse}, **reranking.ERRORS.responses(), **errors}

    @routes.post("/rerank", responses=rank_responses)
    async def rerank(asked: AnyRerankRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Rank `texts` (as TEI) or `documents` (as vLLM)."""
        if isinstance(asked.root, RerankRequest):
            return await reranked(service, asked.root, call, version="1", returns_documents=True)
        return await _ranked(service, asked.root, call)

    @routes.post("/tokenize", responses={200: {"model": TokenTable}, **errors})
    async def tokenize(asked: TokenizeRequest) -> Response:
        """The tokens that the embedder sees."""
        return answer(_tokens(service, asked))

    @routes.get("/info", responses={200: {"model": Info}, **ERRORS.responses("unauthorized")})
    async def info() -> Response:
        """What is served, for TEI's clients and for the playground."""
        return answer(_info(service))

    return routes


def _shape(asked: object) -> ErrorShape:
    return reranking.ERRORS if _has_documents(asked) else ERRORS


def _has_documents(asked: object) -> bool:
    return isinstance(asked, RerankRequest) or (isinstance(asked, dict) and "documents" in asked)


def _policy(truncate: bool | None, direction: str | None) -> TooLongPolicy:
    if not truncate:
        return "error"
    return "truncate_start" if (direction or "").lower() == "left" else "truncate"


def _listed(inputs: Any) -> Any:  # noqa: ANN401  (texts or lists of tokens)
    return [inputs] if isinstance(inputs, str) or isinstance(inputs[0], int) else inputs


def _wish(asked: EmbedRequest) -> Wish:
    return Wish(
        role=choose_role(asked.prompt_name, instruction=asked.instruction),
        on_too_long=_policy(asked.truncate, asked.truncation_direction),
        dimension=asked.dimensions,
    )


async def _ranked(service: Service, asked: TextsRerankRequest, call: Call) -> Response:
    policy = _policy(asked.truncate, asked.truncation_direction)
    wish = Wish(role=Role(QUERY, asked.instruction), on_too_long=policy)
    done = await service.score([(asked.query, text) for text in asked.texts], wish, call)
    values = done.scores.log_odds if asked.raw_scores else np.asarray(done.scores)
    ranks: list[dict[str, Any]] = []
    for index in best_first(done):
        text = {"text": asked.texts[index]} if asked.return_text else {}
        ranks.append({"index": index, **text, "score": values[index]})
    return answer(ranks, headers_of(done))


def _tokens(service: Service, asked: TokenizeRequest) -> list[list[dict[str, Any]]]:
    embedder = service.models.need_embedder().embedder
    texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    service.check(texts, len(texts))
    prompt = embedder.prompts.named(asked.prompt_name) if asked.prompt_name else ""
    read = [[_token(piece) for piece in pieces] for pieces in embedder.pieces(texts, prompt=prompt)]
    if not asked.add_special_tokens:
        return [[token for token in tokens if not token["special"]] for tokens in read]
    return [[*tokens, _end(embedder)] for tokens in read]


def _token(piece: TokenPiece) -> dict[str, Any]:
    return {
        "id": piece.token_id,
        "text": piece.text,
        "special": not piece.text,
        "start": piece.start,
        "stop": piece.stop,
    }


def _end(embedder: Embedder) -> dict[str, Any]:
    end = int(embedder.tokenize([""])[0][-1])
    return {"id": end, "text": END_TOKEN, "special": True, "start": None, "stop": None}


def _info(service: Service) -> dict[str, Any]:
    models = service.models
    main: Any = models.embedder.embedder if models.embedder else models.need_reranker().reranker
    pooling = {"embedding": {"pooling": "last_token"}}
    labels = {"reranker": {"id2label": {"0": "yes"}, "label2id": {"yes": 0}}}
    return {
        "name": "quiver",
        "version": quiver.__version__,
        **models.described(),
        "model_id": (models.embedder or models.need_reranker()).name,
        "model_sha": None,
        "model_dtype": main.precision,
        "model_type": pooling if models.embedder else labels,
        "max_concurrent_requests": service.limits.in_flight_per_key,
        "max_input_length": main.max_length,
        "max_batch_tokens": None,
        "max_batch_requests": None,
        "max_client_batch_size": service.limits.items,
        "auto_truncate": False,
        "tokenization_workers": 1,
    }
