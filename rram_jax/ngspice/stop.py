"""The end of simulations before they are done, when another thread asks for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stopped(Exception):
    """Another thread asked for the end before all jobs were done."""


_asked: ContextVar[threading.Event | None] = ContextVar("asked", default=None)


@contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """Let `stop` end the ngspice that this thread runs within the block.

    `runner.run_deck` then removes its folder and raises `Stopped`.
    """
    token = _asked.set(stop)
    try:
        yield
    finally:
        _asked.reset(token)


def asked_to_stop() -> threading.Event | None:
    """What ends the ngspice of this thread; None outside `stoppable`."""
    return _asked.get()
