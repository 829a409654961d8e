"""REST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import httpx

from tests.bed.management import NO_TLS
from tests.bed.rest import CALLS, renamed
from tests.reliability.doors.door import No, NoAnswer, Overheard, Wish, Yes


class RestDoor:
    """HTTP, to any of the gates. httpx keeps the time itself: a request that is cancelled from outside may keep its
    place in the pool of connections for ever."""

    name = "rest"

    def __init__(self, gates: Sequence[str], token_of: Callable[[str], str], chance: Random) -> None:
        self._gates = gates
        self._token_of = token_of
        self._chance = chance
        self.overheard = Overheard()
        self._http = httpx.AsyncClient(trust_env=False, verify=NO_TLS, limits=httpx.Limits(max_connections=None))

    def know(self, user: str) -> None:
        """A token is all that they need."""

    async def say(self, wish: Wish, within_seconds: float) -> Yes | No:
        """Raises NoAnswer as every door does."""
        call = CALLS[wish.verb]
        fields = {"room": wish.room, **wish.fields}
        headers = {"Authorization": f"Bearer {self._token_of(wish.user)}", "Idempotency-Key": wish.command_id}
        if wish.again:
            headers["Idempotency-Retry"] = "true"
        url = self._chance.choice(self._gates) + call.path_of(fields)
        body = {} if call.body is None else {"json": renamed(call.body, fields)}
        params = renamed(call.query, fields)
        try:
            response = await self._http.request(
                call.method, url, headers=headers, params=params, timeout=within_seconds, **body
            )
        except httpx.HTTPError as problem:
            raise NoAnswer(repr(problem)) from problem
        try:
            return _answer_of(response)
        except (ValueError, LookupError) as problem:
            self.overheard.take_garbled(wish.user, f"{response.status_code}: {response.text[:200]!r}")
            raise NoAnswer(repr(problem)) from problem

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


def _answer_of(response: httpx.Response) -> Yes | No:
    """Raises ValueError or LookupError for what is neither a message nor a problem."""
    told = response.json()
    if response.is_success:
        return Yes(told.get("epoch", ""), told.get("sequence_id"))
    return No(told["gatehouse_code"], told["definite"], told["retry"])
