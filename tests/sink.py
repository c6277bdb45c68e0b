"""A real HTTP server on loopback, as Slack or a webhook would be: it keeps what it takes, and answers as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "cAnArY-hook-91b7"


@dataclass
class Sink:
    """bodies: what arrived, parsed. status: what it answers. delay_seconds: before it does."""

    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    delay_seconds: float = 0.0

    def url_file(self, directory: Path, name: str = "webhook") -> str:
        """A secret file with the sink's URL for apprise."""
        file = directory / f"{name}.url"
        file.write_text(f"json://127.0.0.1:{self.port}/{KEY}/{name}\n")
        file.chmod(0o400)
        return str(file)

    @property
    def titles(self) -> list[str]:
        return [str(each.get("title")) for each in self.bodies]


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    found = Sink()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(found.delay_seconds)
            if found.status < 300:
                found.bodies.append({**body, "path": self.path})
            with contextlib.suppress(OSError):  # who did not wait has gone
                self.send_response(found.status)
                self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
