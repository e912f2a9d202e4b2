"""Cohere's embed, versions 1 and 2. Its rerank is in ``reranking``."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from quiver.server.answers import answer, headers_of
from quiver.server.batching.call import Call
from quiver.server.dialects.shapes import (
    Asked,
    NonNegative,
    Positive,
    Texts,
    Told,
    about,
    refuse_given,
    report_of,
    rows_of,
)
from quiver.server.errors import ErrorShape, Refusal
from quiver.server.gate import Gate
from quiver.server.roles import DOCUMENT, QUERY, choose_role
from quiver.server.route import call_of, guarded_route
from quiver.server.service import Done, Embedded, Service, Wish
from quiver.text.truncation import TooLongPolicy

InputType = Literal["search_document", "search_query", "classification", "clustering", "image"]
Encoding = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]
Truncate = Literal["NONE", "START", "END"]

ROLES = {
    "search_query": QUERY,
    "search_document": DOCUMENT,
    "classification": DOCUMENT,
    "clustering": DOCUMENT,
}
POLICIES: dict[str, TooLongPolicy] = {"NONE": "error", "START": "truncate_start", "END": "truncate"}

Encodings = Annotated[list[Encoding], Field(min_length=1, fail_fast=True)]
Priority = Annotated[NonNegative | None, Field(description="Has no effect.")]
TruncateField = Annotated[
    Truncate | None, Field(description="Which end of longer texts is cut; without it they are an error.")
]
Images = Annotated[list[str] | None, Field(description="Refused.")]


class ContentPart(Asked):
    """A part of an input."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: dict[str, str] | None = Field(None, description="Refused.")


class Input(Asked):
    """An input in parts, which are joined by line ends."""

    content: Annotated[list[ContentPart], Field(min_length=1)]


class EmbedRequest(Asked):
    """Version 1: everything but the texts is optional."""

    texts: Texts | None = None
    model: str | None = None
    input_type: InputType | None = None
    embedding_types: Encodings | None = None
    truncate: TruncateField = None
    images: Images = None
    instruction: str | None = Field(None, description="The task, in one sentence; for `search_query`.")


class EmbedRequestV2(EmbedRequest):
    """Version 2: says what the texts are."""

    input_type: InputType
    inputs: Annotated[list[Input] | None, Field(fail_fast=True)] = None
    max_tokens: Positive | None = None
    output_dimension: Positive | None = None
    priority: Priority = None


class EmbedResponse(Told):
    """Vectors by type, or (version 1 without types) as lists."""

    id: str
    response_type: Literal["embeddings_by_type", "embeddings_floats"]
    embeddings: dict[str, list[Any]] | list[list[float]]
    texts: list[str]
    meta: dict[str, Any]


class ErrorBody(Told):
    """What Cohere's clients read."""

    message: str


ERRORS = ErrorShape(lambda refusal: {"message": str(refusal)}, ErrorBody)


def router(service: Service, gate: Gate) -> APIRouter:
    """The routes of this dialect."""
    routes = APIRouter(route_class=guarded_route(gate, lambda asked: ERRORS), tags=["Cohere"])
    responses: dict[int | str, dict[str, Any]] = {200: {"model": EmbedResponse}, **ERRORS.responses()}

    @routes.post("/v1/embed", responses=responses)
    async def embed(asked: EmbedRequest, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Embed texts; without `input_type` they are bare documents."""
        texts = _texts(asked)
        done = await service.embed(texts, _wish(asked, service), call)
        return _answer(done, texts, asked.embedding_types, version="1")

    @routes.post("/v2/embed", responses=responses)
    async def embed_v2(asked: EmbedRequestV2, call: Annotated[Call, Depends(call_of)]) -> Response:
        """Embed texts."""
        texts = _texts(asked, asked.inputs)
        wish = _wish(asked, service, max_length=asked.max_tokens, dimension=asked.output_dimension)
        done = await service.embed(texts, wish, call)
        return _answer(done, texts, asked.embedding_types or ["float"], version="2")

    return routes


def meta(done: Done, version: str) -> dict[str, Any]:
    """What Cohere says beside its results, and what we add: ``items`` and tokens saved."""
    cut = [index for index, item in enumerate(done.items) if item.cut]
    told = {
        "api_version": {"version": version},
        "billed_units": {"input_tokens": done.usage.tokens_in},
        "tokens": {"input_tokens": done.usage.tokens_in, "saved_tokens": done.usage.tokens_saved},
        "items": [report_of(item) for item in done.items],
        **about(done),
    }
    if cut:
        shown = ", ".join(map(str, cut[:20])) + (", ..." if len(cut) > 20 else "")
        told["warnings"] = [f"longer than allowed and cut: {shown}"]
    return told


def _texts(asked: EmbedRequest, inputs: list[Input] | None = None) -> list[str]:
    refuse_given(asked, {"images": "this server embeds texts only"})
    if asked.input_type == "image":
        raise Refusal("invalid", "input_type: this server embeds texts only", field="input_type")
    if (asked.texts is None) == (not inputs):
        raise Refusal("invalid", "give texts (or, in version 2, inputs), and only one of them", field="texts")
    return asked.texts if asked.texts is not None else [_joined(each) for each in inputs or ()]


def _joined(given: Input) -> str:
    if any(part.type != "text" or part.text is None for part in given.content):
        raise Refusal("invalid", "inputs: this server embeds texts only", field="inputs")
    return "\n".join(part.text or "" for part in given.content)


def _wish(
    asked: EmbedRequest, service: Service, *, max_length: int | None = None, dimension: int | None = None
) -> Wish:
    for encoding in asked.embedding_types or ():
        if encoding in ("int8", "uint8"):
            raise Refusal(
                "invalid",
                f"embedding_types: {encoding} needs a scale that clients would have to know; take binary, "
                "ubinary, or float",
                field="embedding_types",
            )
    role = None if asked.input_type is None else ROLES[asked.input_type]
    return Wish(
        role=choose_role(role, service.models.embedder_suffix(asked.model), instruction=asked.instruction),
        on_too_long=POLICIES[asked.truncate or "NONE"],
        max_length=max_length,
        dimension=dimension,
    )


def _answer(done: Embedded, texts: list[str], encodings: list[Any] | None, version: str) -> Response:
    by_type = {encoding: rows_of(done.vectors, encoding) for encoding in encodings or ("float",)}
    body = {
        "id": str(uuid.uuid4()),
        "response_type": "embeddings_by_type" if encodings else "embeddings_floats",
        "embeddings": by_type if encodings else by_type["float"],
        "texts": texts,
        "meta": meta(done, version),
    }
    return answer(body, headers_of(done))
