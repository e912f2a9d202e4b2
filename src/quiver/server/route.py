"""Route: what happens around every dialect's handler.

key -> draining? -> requests under way -> body -> JSON -> fields -> handler -> answer, or a refusal in the
dialect's own shape. A client that goes away takes its work along.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from quiver.errors import QuiverError
from quiver.server.answers import answer
from quiver.server.batching.call import Call
from quiver.server.body import read_json
from quiver.server.errors import CLIENT_GONE, ErrorShape, Refusal, as_refusal
from quiver.server.gate import Gate

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
ShapeChooser = Callable[[object], ErrorShape]
"""Which shape errors take, by the JSON value that was asked with (None if it was never read)."""

CLOSING = ("slow_request", "too_large", "draining")
"""Refusals whose connection cannot go on: the request was not read to its end, or the server is stopping."""


class ParsedRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, value: object) -> None:
        super().__init__(request.scope, request.receive)
        self.value = value

    async def body(self) -> bytes:
        """Not empty, which is all that FastAPI asks before ``json``."""
        return b"parsed"

    async def json(self) -> object:
        """The parsed value."""
        return self.value


def guarded_route(gate: Gate, choose_shape: ShapeChooser) -> type[APIRoute]:
    """A class of routes behind a gate, whose errors take the dialect's shape."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            return _guarded(super().get_route_handler(), gate, choose_shape)

    return GuardedRoute


def call_of(request: Request) -> Call:
    """The call behind a request, for the batcher (a FastAPI dependency)."""
    call: Call = request.state.call
    return call


def _guarded(handle: Handler, gate: Gate, choose_shape: ShapeChooser) -> Handler:
    async def guarded(request: Request) -> Response:
        asked: object = None
        try:
            with gate.admitted(request) as client:
                if request.method == "POST":
                    asked = await read_json(request, gate.limits)
                    request = ParsedRequest(request, asked)
                request.state.call = Call(deadline=gate.deadline(), key=client)
                response = await _while_connected(request, handle(request))
                if gate.is_draining:
                    response.headers["connection"] = "close"
                return response
        except QuiverError as error:
            return refuse(choose_shape(asked), as_refusal(error))
        except RequestValidationError as error:
            return refuse(choose_shape(asked), _first_problem(error))
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)

    return guarded


def refuse(shape: ErrorShape, refusal: Refusal) -> Response:
    """A refusal in a dialect's shape."""
    headers: dict[str, str] = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(max(1, round(refusal.retry_after)))
    if refusal.kind == "unauthorized":
        headers["www-authenticate"] = "Bearer"
    if refusal.kind in CLOSING:
        headers["connection"] = "close"
    return answer(shape.body(refusal), headers, status=shape.status(refusal))


async def _while_connected(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The work's response; raises ClientDisconnect, and stops the work, if the client goes away first."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait({task, gone})


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _first_problem(error: RequestValidationError) -> Refusal:
    """The first thing that is wrong with a body, without quoting it: it holds users' texts."""
    problems = [(_place(each["loc"]) or [""], each["type"], each["msg"]) for each in error.errors()]
    place, kind, message = problems[0]
    field = place[0] or None
    same = [rest for (first, *rest), _, _ in problems if first == field] if field else []
    forms = {part for rest in same for part in rest if not part.isdigit()}
    where = ".".join(place)
    if kind == "extra_forbidden":
        told = f"unknown field {where!r}; it would have no effect here"
    elif len(forms) > 1:
        told = f"{field} has none of the forms that it can have here; see /openapi.json"
    else:
        told = f"{where or 'the body'}: {message}"
    return Refusal("invalid", told, field=field)


def _place(location: Sequence[str | int]) -> list[str]:
    """Field names and positions; pydantic also names the forms that it tried."""
    return [str(part) for part in location if part != "body" and not str(part).startswith("(")]
