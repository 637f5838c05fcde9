"""Models behind the page: loading, failing, and turns in the order of coming."""

from __future__ import annotations

import threading
import time

import pytest

from describer.demo.models import Models, Turns
from describer.errors import ModelError
from tests.demo.fake import FakeDescriber


def test_who_comes_first_is_served_first_however_often_another_asks_again():
    turns, order, ready = Turns(1), [], threading.Event()

    def visitor(name: str) -> None:
        with turns.turn():
            order.append(name)

    with turns.turn():
        threads = [threading.Thread(target=visitor, args=(name,)) for name in "abc"]
        for i, thread in enumerate(threads, start=1):
            thread.start()
            while len(turns._waiting) < i:
                time.sleep(0.001)
        ready.set()
    with turns.turn():  # the one who held the turn asks again at once
        order.append("again")
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "again"]


def test_no_more_than_the_stated_number_at_once():
    turns, now, most, lock = Turns(2), 0, 0, threading.Lock()

    def visitor() -> None:
        nonlocal now, most
        with turns.turn():
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.002)
            with lock:
                now -= 1

    threads = [threading.Thread(target=visitor) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2 and now == 0


def test_a_turn_that_fails_is_given_back():
    turns = Turns(1)
    with pytest.raises(ValueError, match="oops"), turns.turn():
        raise ValueError("oops")
    with turns.turn():
        pass


def test_what_is_asked_for_while_loading_waits_for_the_models():
    go = threading.Event()
    models = Models(lambda: go.wait() and FakeDescriber())
    models.start()
    assert models.status()["state"] == "loading"
    got = []
    asker = threading.Thread(target=lambda: got.append(models.use().__enter__()))
    asker.start()
    assert not got
    go.set()
    asker.join()
    assert models.status() == {"state": "ready", "text": "Ready: fake@1, fake words"} and len(got) == 1


def test_models_do_not_load_before_a_page_is_there_unless_nobody_comes(monkeypatch):
    monkeypatch.setattr("describer.demo.models._PAGE_FIRST_S", 0.2)
    models = Models(FakeDescriber)
    models.start()
    assert not models.wait(0.05)
    assert models.wait(5)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModelError("no such adapter; give another."), "no such adapter"),
        (RuntimeError("broken"), "could not be loaded: broken"),
    ],
)
def test_models_that_cannot_be_loaded_are_told_on_the_page_and_to_everyone_who_asks(error, says):
    def load():
        raise error

    models = Models(load)
    models.start()
    models.status()  # a page is there
    assert models.wait(5)
    assert models.status()["state"] == "failed" and says in str(models.status()["text"])
    with pytest.raises(ModelError, match=says), models.use():
        pass
