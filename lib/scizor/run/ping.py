"""The dead-man's switch: somebody outside of this machine hears of each run, and rings when he hears nothing.

The protocol of healthchecks.io, which others speak as well: URL/JOB/start, URL/JOB for success, URL/JOB/STATUS for an exit status, with
the run's id as rid, so that two runs are told apart. What this machine cannot notice (cron dead, disk dead, no network)
is noticed there. A ping never fails a job and never keeps one for longer than its limit; the URL is a secret.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from scizor.base.config import PingConfig, secret
from scizor.base.errors import ScizorError
from scizor.base.exit import Exit

ATTEMPTS = 2  # of each ping
JOIN_SECONDS = 1.0  # beyond what the ping of the start may take itself


@dataclass(slots=True)
class Ping:
    """One run's. say: a sentence for the log, never with the URL in it."""

    url: str
    job: str
    run_id: str
    timeout_seconds: float
    say: Callable[[str], None]
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Beside the job, which waits for nothing."""
        self._thread = threading.Thread(target=self._tell, args=("/start",), daemon=True, name="ping")
        self._thread.start()

    def end(self, status: int) -> None:
        """After the job: its exit status. That another run holds the lock is no news."""
        if self._thread is not None:
            self._thread.join(ATTEMPTS * self.timeout_seconds + JOIN_SECONDS)
        if status != Exit.BUSY:
            self._tell("" if status == Exit.DONE else f"/{status}")

    def _tell(self, suffix: str) -> None:
        if problem := self.send(suffix):
            self.say(f"the dead-man's switch was not told of {suffix.strip('/') or 'success'}: {problem}")

    def send(self, suffix: str) -> str:
        """What went wrong, "" when nothing did. suffix: what stands behind the job in the address."""
        import requests  # late: 0.1 s that a run without a switch does not pay

        rid, problem = str(uuid.UUID(self.run_id)), ""
        for _ in range(ATTEMPTS):
            try:
                # create: a job that the other side has not heard of yet gets a check of its own
                answer = requests.get(
                    f"{self.url}/{self.job}{suffix}", params={"rid": rid, "create": "1"}, timeout=self.timeout_seconds, stream=True,
                    headers={"User-Agent": "scizor"},
                )  # fmt: skip
                answer.close()
                if answer.status_code < 400:
                    return ""
                problem = f"answered {answer.status_code}"
                if answer.status_code < 500 and answer.status_code != 429:
                    break
            except (requests.RequestException, ValueError, OSError) as failure:
                problem = type(failure).__name__
        return problem


def of(config: PingConfig, job: str, run_id: str, say: Callable[[str], None]) -> Ping | None:
    """None where there is no switch. A secret file that cannot be read is said, and is no reason to fail."""
    try:
        url = (secret(config.url_file) or "").strip().rstrip("/")
    except ScizorError as problem:
        say(f"no dead-man's switch: {problem}")
        return None
    if not url:
        return None
    if not url.startswith(("https://", "http://")) or any(each.isspace() for each in url):
        say("no dead-man's switch: [ping] url_file holds no http address")
        return None
    return Ping(url, job, run_id, config.timeout_seconds, say)
