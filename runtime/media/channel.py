"""A bounded hand-over from one thread to the next that can be stopped from either side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
WAIT_SECONDS = 0.5  # an interrupt is only seen between waits on some systems


class Stopped(Exception):
    """The other side has given up."""


class Channel(Generic[Item]):
    """``room`` bounds the weight that waits; one item always fits, however heavy."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[tuple[Item, int]] = deque()
        self._changed = threading.Condition()
        self._weight = 0
        self._ended = self._stopped = False

    def put(self, item: Item, weight: int) -> None:
        """Hand over an item, waiting for room. Raises ``Stopped``."""
        with self._changed:
            self._wait(weight)
            self._items.append((item, weight))
            self._weight += weight
            self._changed.notify_all()

    def wait_for_room(self, weight: int) -> None:
        """Until an item could be put, for one that is better not made before. Raises ``Stopped``."""
        with self._changed:
            self._wait(weight)

    def _wait(self, weight: int) -> None:
        while not self._stopped and self._items and self._weight + weight > self._room:
            self._changed.wait(WAIT_SECONDS)
        if self._stopped:
            raise Stopped

    def __iter__(self) -> Iterator[Item]:
        """Items until the end. Raises ``Stopped``."""
        while True:
            with self._changed:
                while not (self._items or self._ended or self._stopped):
                    self._changed.wait(WAIT_SECONDS)
                if self._stopped:
                    raise Stopped
                if not self._items:
                    return
                item, weight = self._items.popleft()
                self._weight -= weight
                self._changed.notify_all()
            yield item

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Give up; what waits is dropped and both sides are told."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._weight = 0
            self._changed.notify_all()
