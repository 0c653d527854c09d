"""Signals that come while a step is made."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from subpixel.models.interrupts import held_back


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """As in a terminal: a suite that runs in the background inherits a SIGINT that is ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def test_ctrl_c_waits_for_the_end_of_the_step() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the rest of the step")
    assert done == ["the rest of the step"]


def test_the_handlers_of_before_are_back_after_the_step() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with held_back():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_step_in_another_thread_is_left_alone() -> None:
    seen = []

    def work() -> None:
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
