"""Drafts: a query for each document, asked of a chat endpoint, many at a time."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from quiver.errors import EndpointError
from quiver.train import query_writing
from quiver.train.answers import AnswerFile, request_digest
from quiver.train.chat import Chat, ChatEndpoint, Unanswered, open_chat
from quiver.train.query_writing import QueryPlan, UnusableAnswer

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Draft:
    """A document's query, or why there is none."""

    plan: QueryPlan | None = None
    query: str = ""
    unusable: str = ""
    """Why an answer gave no query."""
    unanswered: str = ""
    """Why a request failed."""


class Drafter:
    """Asks the two questions about a document, unless the answers are known."""

    def __init__(self, answers: AnswerFile, languages: Sequence[str], seed: int) -> None:
        self.answers = answers
        self._languages = languages
        self._seed = seed

    async def draft(self, document: str, offered: Sequence[str], chat: Chat) -> Draft:
        """A query of one of the readers offered; the lots are the same in every run."""
        dice = random.Random(f"{self._seed} {document}")
        readers = dice.sample(offered, len(offered))
        try:
            request = query_writing.choice_request(document, readers)
            choice = await self._ask(query_writing.CHOOSE, request, chat)
            plan = query_writing.read_choice(choice, readers, self._languages, dice)
            request = query_writing.query_request(document, plan)
            written = await self._ask(query_writing.WRITE, request, chat)
            return Draft(plan=plan, query=query_writing.read_query(written, document))
        except UnusableAnswer as error:
            return Draft(unusable=str(error))
        except Unanswered as error:
            return Draft(unanswered=str(error))

    async def _ask(self, system: str, user: str, chat: Chat) -> str:
        request = request_digest(chat.endpoint.model, system, user)
        known = self.answers.get(request)
        if known is None:
            known = await chat.ask(system, user)
            self.answers.add(request, known)
        return known


def write_drafts(
    documents: Sequence[str],
    offers: Sequence[Sequence[str]],
    drafter: Drafter,
    endpoint: ChatEndpoint,
    advance: Callable[[int], None],
) -> list[Draft]:
    """A draft for each document, in order, as many at a time as the endpoint allows.

    ``advance`` is called with the number of documents done. Raises EndpointError if the endpoint refuses
    or is down.
    """
    drafts = [Draft()] * len(documents)
    remaining = iter(range(len(documents)))

    async def work(chat: Chat) -> None:
        for number in remaining:
            drafts[number] = await drafter.draft(documents[number], offers[number], chat)
            advance(1)

    async def work_together() -> None:
        async with open_chat(endpoint) as chat, asyncio.TaskGroup() as group:
            for _ in range(min(endpoint.concurrency, len(documents))):
                group.create_task(work(chat))

    try:
        _run(work_together())
    except* EndpointError as failures:
        raise EndpointError(
            f"{failures.exceptions[0]}; the answers so far are in {drafter.answers.path}, and the same "
            "run goes on from there"
        ) from None
    return drafts


def _run(work: Coroutine[object, object, Result]) -> Result:
    """Run in another thread's event loop: this thread may have its own (a notebook), and gets the signals."""
    stop: list[Callable[[], object]] = []

    async def stoppable() -> Result:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is not None:
            stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
        return await work

    with ThreadPoolExecutor(1) as other_thread:
        result = other_thread.submit(asyncio.run, stoppable())
        try:
            return result.result()
        except (KeyboardInterrupt, SystemExit):
            for stop_now in stop:
                stop_now()
            raise
