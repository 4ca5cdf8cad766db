"""Who acts: what is noted with every version, promotion, token and message that is written meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from pydantic_hivemind.base.values import Actor
from pydantic_hivemind.errors import InvalidOption
from pydantic_hivemind.limits import MAX_ACTOR_CHARS

_actor: ContextVar[Actor | None] = ContextVar("pydantic_hivemind.actor", default=None)


def current_actor() -> Actor | None:
    """Return who acts in this context, or `None` if nobody said so."""
    return _actor.get()


@contextmanager
def acting(
    *, token: str | None = None, user: str | None = None, agent: str | None = None, run: str | None = None
) -> Generator[Actor]:
    """Note who acts with everything that is written in this context: in the block, and in tasks begun in it.

    Blocks inside each other add up; what an inner one does not name is that of the outer one. HTTP, MCP, the command
    and the adapters do this by themselves.

    Args:
        token: Id of the token that was used.
        user: The user of the app.
        agent: Name of the agent.
        run: Id of the agent's run.

    Raises:
        InvalidOption: One of them is empty, too long, or not printable.
    """
    outer = _actor.get() or Actor()
    inner = Actor(
        _checked("token", token) or outer.token,
        _checked("user", user) or outer.user,
        _checked("agent", agent) or outer.agent,
        _checked("run", run) or outer.run,
    )
    before = _actor.set(None if inner == Actor() else inner)
    try:
        yield inner
    finally:
        _actor.reset(before)


@contextmanager
def acting_alone(actor: Actor) -> Generator[None]:
    """Note an actor in place of whoever acts outside the block: a server does not act as who started it."""
    before = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(before)


def shown(text: str | None) -> str | None:
    """Return a name that somebody else chose as one that an actor may have."""
    printable = "".join(character if character.isprintable() else "?" for character in text or "")
    return printable[:MAX_ACTOR_CHARS] or None


def _checked(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ACTOR_CHARS or not value.isprintable():
        raise InvalidOption(f"`{name}` of an actor must be 1 to {MAX_ACTOR_CHARS} printable characters")
    return value
