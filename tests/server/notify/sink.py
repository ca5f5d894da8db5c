"""Somebody else's HTTP server: it remembers what it was sent, and answers as it was told."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request. Header names are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Sink:
    """`answers`: status and body of the coming requests, in turn; then 200 and `body`."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    body: bytes = b"{}"
    holding: threading.Event = field(default_factory=threading.Event)
    """While it is clear, nothing is answered."""
    slow_s: Callable[[], float] = lambda: 0.0
    """How long it thinks about each, once it has it."""
    drip_s: float = 0.0
    """How long it takes for each byte of an answer's body."""

    def __post_init__(self) -> None:
        self.holding.set()


@contextmanager
def sink() -> Iterator[Sink]:
    """One that listens on a free port of the loopback."""
    made = Sink()

    class Handler(BaseHTTPRequestHandler):
        def _taken(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:  # whoever asked was killed in the middle: a server takes no half request
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.asked.append(Asked(self.command, self.path, headers, body))
            made.holding.wait(20)
            time.sleep(made.slow_s())
            status, said = made.answers.pop(0) if made.answers else (200, made.body)
            try:
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                for piece in [said[n : n + 1] for n in range(len(said))] if made.drip_s else [said]:
                    self.wfile.write(piece)
                    time.sleep(made.drip_s)
            except OSError:  # whoever asked has gone
                self.close_connection = True

        do_POST = do_GET = do_PUT = _taken

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

    server = Server(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.holding.set()
        server.shutdown()
        thread.join()
        server.server_close()
