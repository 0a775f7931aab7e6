from __future__ import annotations

import threading
import time

import pytest

from nas.errors import TrackingError
from nas.tracking import writer
from nas.tracking.writer import Writer


class Store:
    """A store that can be absent, refuse single items, and wait; it notes what happened."""

    def __init__(self) -> None:
        self.absent = False
        self.refused: set[str] = set()
        self.written: list[str] = []
        self.opened = 0
        self.tries: list[str] = []
        self.told: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def open(self) -> None:
        if self.absent:
            raise TrackingError("absent")
        self.opened += 1

    def write(self, item: str) -> None:
        self.gate.wait(10)
        self.tries.append(item)
        if self.absent:
            raise TrackingError("absent")
        if item in self.refused:
            raise TrackingError(f"refused {item}")
        self.written.append(item)

    def writer(self) -> Writer[str]:
        return Writer(prepare=self.open, write=self.write, told=self.told.append)


def wait_until(true, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_items_are_written_in_the_order_their_keys_came():
    store = Store()
    thread = store.writer()
    for key in (None, 2, 1):
        thread.put(key, f"item {key}")
    thread.start()
    assert thread.finish(10) == 0
    assert store.written == ["item None", "item 2", "item 1"]


def test_only_the_newest_item_of_a_key_is_written():
    store = Store()
    thread = store.writer()
    thread.put(1, "old")
    thread.put(1, "new")
    thread.start()
    assert thread.finish(10) == 0
    assert store.written == ["new"]


def test_an_item_that_is_replaced_while_it_is_written_is_written_again():
    store = Store()
    store.gate.clear()
    thread = store.writer()
    thread.put(1, "old")
    thread.start()
    wait_until(lambda: store.opened)
    time.sleep(0.05)
    thread.put(1, "new")
    store.gate.set()
    assert thread.finish(10) == 0
    assert store.written == ["old", "new"]


def test_an_absent_store_is_told_once_and_tried_once_a_pause(monkeypatch):
    monkeypatch.setattr(writer, "PAUSE_SECONDS", 0.1)
    store = Store()
    store.absent = True
    thread = store.writer()
    for key in range(5):
        thread.put(key, str(key))
    thread.start()
    time.sleep(0.35)
    assert store.told == ["absent"]
    assert store.tries == []
    store.absent = False
    wait_until(lambda: len(store.written) == 5)
    assert thread.finish(10) == 0


def test_an_absent_store_is_tried_once_more_at_the_end():
    store = Store()
    store.absent = True
    thread = store.writer()
    for key in range(3):
        thread.put(key, str(key))
    thread.start()
    wait_until(lambda: store.told)
    assert thread.finish(10) == 3
    store.absent = False  # too late, and nobody writes any more
    time.sleep(0.05)
    assert store.written == []


def test_a_refused_item_waits_while_others_go_on_and_is_tried_at_the_end():
    store = Store()
    store.refused = {"1"}
    thread = store.writer()
    for key in range(4):
        thread.put(key, str(key))
    thread.start()
    wait_until(lambda: store.written == ["0", "2", "3"])
    assert store.tries.count("1") == 1
    store.refused = set()
    assert thread.finish(10) == 0
    assert store.written == ["0", "2", "3", "1"]


def test_items_that_are_always_refused_do_not_starve_the_others(monkeypatch):
    monkeypatch.setattr(writer, "PAUSE_SECONDS", 0.05)
    store = Store()
    store.refused = {"study", "0", "1"}
    thread = store.writer()
    for key, item in ((None, "study"), (0, "0"), (1, "1")):
        thread.put(key, item)
    thread.start()
    wait_until(lambda: len(store.tries) >= 6)
    thread.put(2, "2")
    wait_until(lambda: store.written == ["2"])
    assert thread.finish(10) == 3


def test_the_first_key_is_tried_first_again_after_an_outage(monkeypatch):
    monkeypatch.setattr(writer, "PAUSE_SECONDS", 0.05)
    store = Store()
    store.absent = True
    thread = store.writer()
    for key, item in ((None, "study"), (0, "0"), (1, "1")):
        thread.put(key, item)
    thread.start()
    wait_until(lambda: store.told)
    store.absent = False
    assert thread.finish(10) == 0
    assert store.written[0] == "study"


def test_a_store_that_goes_away_is_not_asked_for_every_item():
    store = Store()
    thread = store.writer()
    thread.put(0, "0")
    thread.start()
    wait_until(lambda: store.written == ["0"])
    store.absent = True
    for key in range(1, 30):
        thread.put(key, str(key))
    wait_until(lambda: store.told)
    time.sleep(0.1)
    assert len(store.tries) <= 3  # the one that was written, and at most two that were not
    store.absent = False
    assert thread.finish(10) == 0
    assert len(store.written) == 30


def test_finishing_waits_no_longer_than_it_may():
    store = Store()
    store.gate.clear()
    thread = store.writer()
    thread.put(1, "slow")
    thread.start()
    began = time.monotonic()
    assert thread.finish(0.2) == 1
    assert time.monotonic() - began < 5
    store.gate.set()


def test_holding_is_bounded(monkeypatch):
    monkeypatch.setattr(writer, "HOLD_SECONDS", 0.3)
    store = Store()
    thread = store.writer()
    thread.hold(True)
    thread.put(1, "1")
    thread.start()
    time.sleep(0.1)
    assert store.written == []
    wait_until(lambda: store.written == ["1"])
    assert thread.finish(10) == 0


def test_the_end_does_not_wait_for_a_hold():
    store = Store()
    thread = store.writer()
    thread.hold(True)
    thread.put(1, "1")
    thread.start()
    assert thread.finish(10) == 0


def test_the_thread_does_not_keep_a_process_alive():
    assert Store().writer()._thread.daemon


@pytest.mark.parametrize("times", [1, 3])
def test_a_second_outage_is_told_again(monkeypatch, times):
    monkeypatch.setattr(writer, "PAUSE_SECONDS", 0.05)
    store = Store()
    thread = store.writer()
    thread.start()
    for outage in range(times):
        store.absent = True
        thread.put(outage, str(outage))
        wait_until(lambda n=outage: len(store.told) == n + 1)
        store.absent = False
        wait_until(lambda n=outage: len(store.written) == n + 1)
    assert thread.finish(10) == 0
    assert store.told == ["absent"] * times
