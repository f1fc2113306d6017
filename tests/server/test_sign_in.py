"""A51: guessing of passwords is slowed down and logged, and nobody locks anybody else out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from django.test import Client

from ota_py.server.http import signin
from ota_py.server.http.signin import ACCOUNT, ADDRESS, KEYS_MAX, WAIT_MAX_SECONDS, Pace, Turns
from tests.support.clocks import TurnedClock
from tests.support.server.serving import Browser, Served, serving
from tests.support.waiting import wait_for

pytestmark = pytest.mark.case("A51")

# Of two passwords, on a machine that does much else.
HASH_SECONDS = 15


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("sign-in")) as found:
        yield found


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("tls"), "https = true") as found:
        yield found


def signed_in(answer: requests.Response) -> bool:
    return answer.status_code == 302 and answer.headers["Location"] == "/admin/"


class Guesser:
    """Guesses passwords from one address, in several threads, until it is stopped."""

    def __init__(self, served: Served, address: str, username: str = "admin", threads: int = 4) -> None:
        self.evaluated = 0
        self.refused = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(Browser(served, address), username)) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, browser: Browser, username: str) -> None:
        while not self._stop.is_set():
            status = browser.sign_in(username, "guess").status_code
            self.evaluated += status == 200
            self.refused += status == 429


def test_guessing_is_slow_and_the_owner_signs_in_meanwhile(served: Served) -> None:
    own = Browser(served, "192.0.2.1")
    assert signed_in(own.sign_in("admin", served.password))
    guessers = [Guesser(served, address) for address in ("198.51.100.1", "198.51.100.2")]
    began = time.monotonic()
    try:
        wait_for(lambda: sum(guesser.evaluated for guesser in guessers) >= ADDRESS.at_once + 3, "guesses", 120, 0.1)
        again = time.monotonic()
        assert signed_in(own.sign_in("admin", served.password))
        assert time.monotonic() - again < HASH_SECONDS, "the owner's browser waits for nobody"
        new = time.monotonic()
        assert signed_in(Browser(served, "192.0.2.2").sign_in("admin", served.password))
        assert time.monotonic() - new < WAIT_MAX_SECONDS + HASH_SECONDS, "a new browser waits for its turn, and has one"
    finally:
        for guesser in guessers:
            guesser.stop()
    seconds = time.monotonic() - began
    guessed = sum(guesser.evaluated for guesser in guessers)
    assert guessed <= ACCOUNT.at_once + seconds / ACCOUNT.seconds + 2 * ADDRESS.at_once, (guessed, seconds)


def test_many_accounts_from_one_address_are_slow_as_well(served: Served) -> None:
    guessers = [Guesser(served, "203.0.113.9", f"user{number}", threads=1) for number in range(8)]
    began = time.monotonic()
    time.sleep(10)
    for guesser in guessers:
        guesser.stop()
    allowed = ADDRESS.at_once + (time.monotonic() - began) / ADDRESS.seconds + 1
    assert 1 <= sum(guesser.evaluated for guesser in guessers) <= allowed


def test_the_right_password_counts_from_the_guessers_own_address(served: Served) -> None:
    """Whoever shares an address with a guesser waits, and is let in."""
    browser = Browser(served, "203.0.113.77")
    for _ in range(7):
        assert browser.sign_in("admin", "wrong").status_code == 200
    assert signed_in(browser.sign_in("admin", served.password))


def test_each_failure_is_one_line_with_who_and_from_where_and_no_password(served: Served) -> None:
    Browser(served, "192.0.2.33").sign_in("ad\nmin\x1b[31m", "secret-guess-17")
    wait_for(lambda: "192.0.2.33" in served.log, "the line")
    (line,) = [line for line in served.log.splitlines() if "192.0.2.33" in line]
    assert re.search(r"WARNING ota\.signin: sign-in failed: user 'ad min\ufffd\[31m' from 192\.0\.2\.33$", line), line
    assert "secret-guess-17" not in served.log


def test_only_the_trusted_proxys_word_about_addresses_counts(served: Served) -> None:
    Browser(served, "10.9.9.9, 192.0.2.44").sign_in("admin", "no")
    wait_for(lambda: "192.0.2.44" in served.log, "the line")
    assert "10.9.9.9" not in served.log, "what stands before the proxy's own entry, the client wrote"


def test_a_foreign_host_is_one_line(served: Served) -> None:
    for host in ("evil.example", "e'vil\x7f.example", "a" * 500):
        before = served.log
        answer = requests.get(f"{served.url}/admin/", headers={"Host": host}, timeout=30)
        assert answer.status_code == 400
        new = served.log[len(before) :].splitlines()
        assert len(new) <= 1, new
    assert "Traceback" not in served.log
    assert "Invalid HTTP_HOST header: 'evil.example'" in served.log


def test_hsts_is_sent_behind_the_proxy_and_never_on_plain_http(served: Served, behind_tls: Served) -> None:
    secure = {"X-Forwarded-Proto": "https"}
    assert (
        requests.get(f"{behind_tls.url}/admin/login/", headers=secure, timeout=30)
        .headers["Strict-Transport-Security"]
        .startswith("max-age=")
    )
    for url, headers in ((behind_tls.url, {}), (behind_tls.url, {"X-Forwarded-Proto": "http"}), (served.url, secure)):
        answer = requests.get(f"{url}/admin/login/", headers=headers, timeout=30)
        assert "Strict-Transport-Security" not in answer.headers


def test_turns_come_at_their_pace() -> None:
    clock = TurnedClock()
    turns = Turns(clock)
    assert [turns.take("a", Pace(3, 2.0)) for _ in range(6)] == [0, 0, 0, 2, 4, 6]
    assert turns.take("b", Pace(3, 2.0)) == 0
    clock.now += 100
    assert turns.take("a", Pace(3, 2.0)) == 0


def test_nobody_waits_for_long_and_a_refused_one_takes_no_turn() -> None:
    turns = Turns(TurnedClock())
    waits = [turns.take("a", Pace(1, 4.0)) for _ in range(20)]
    assert waits == [0, 4, 8, 12, 16, 20] + [None] * 14


def test_a_right_password_gives_its_turn_back() -> None:
    turns = Turns(TurnedClock())
    for _ in range(50):
        assert turns.take("a", Pace(2, 2.0)) == 0
        turns.give_back("a", Pace(2, 2.0))


def test_what_is_kept_does_not_grow_without_end() -> None:
    turns = Turns(TurnedClock())
    for number in range(KEYS_MAX + 100):
        turns.take(f"key {number}", ADDRESS)
    assert len(turns._taken_until) <= KEYS_MAX


@pytest.mark.django_db
def test_a_server_that_cannot_wait_is_answered_with_the_seconds(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signin, "turns", Turns(TurnedClock()))
    form = {"username": "x", "password": "y"}
    answers = [client.post("/admin/login/", form) for _ in range(ADDRESS.at_once + 1)]
    assert [answer.status_code for answer in answers] == [200] * ADDRESS.at_once + [429]
    assert int(answers[-1]["Retry-After"]) >= 1
