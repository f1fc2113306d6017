"""A link that flaps: a TCP proxy that cuts connections in mid-request and in mid-answer, or falls silent."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from typing import Any

UP, DOWN = "up", "down"


class Flapping:
    """`port` leads to `target` on loopback.

    Args:
        seed: of the places where it cuts.
        cuts: how many times it cuts, each after some bytes of a request or of an answer.

    Attributes:
        cut: where connections were cut so far: (`up` or `down`, bytes that went through).
    """

    def __init__(self, target: int, seed: int = 1, cuts: int = 0) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._left = cuts
        self._lock = threading.Lock()
        self.cut: list[tuple[str, int]] = []
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Flapping:
        return self

    def __exit__(self, *_: Any) -> None:
        self._listener.close()

    def freeze(self) -> None:
        """Let nothing through any more, with all connections open."""
        self._open.clear()

    def thaw(self) -> None:
        """Let through the bytes that waited, and all that come."""
        self._open.set()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), self._server() as server:
            with self._lock:
                place = self._random.choice((UP, DOWN)) if self._left else ""
                after = self._random.randint(1, 600)
            pair = (client, server)
            ways = [
                threading.Thread(target=self._pass, args=(name, pair, after if place == name else None))
                for name in (UP, DOWN)
            ]
            for way in ways:
                way.start()
            for way in ways:
                way.join()

    def _note(self, place: tuple[str, int]) -> None:
        with self._lock:
            self.cut.append(place)
            self._left = max(0, self._left - 1)

    def _server(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._target))

    def _pass(self, name: str, pair: tuple[socket.socket, socket.socket], after: int | None) -> None:
        source, sink = pair if name == UP else pair[::-1]
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                if after is not None and passed + len(data) >= after:
                    sink.sendall(data[: after - passed])
                    self._note((name, after))
                    break
                sink.sendall(data)
                passed += len(data)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
