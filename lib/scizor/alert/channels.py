"""One message through one channel: mail by [mail], everything else by apprise, which knows a hundred services by their URL.

The URL is the secret: it lies in a file of mode 0400, and no text of apprise's leaves here without it being hidden. apprise says of a
failure what it logs: the status is read from there; it shows no Retry-After, so the pause doubles instead.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from functools import cache
from typing import Any

from scizor.alert import mail
from scizor.alert.parcels import Failure
from scizor.alert.rules import Channel
from scizor.alert.text import one_line, plain
from scizor.base.config import AlertConfig, Config, MailConfig, secret
from scizor.base.errors import ConfigurationError, ScizorError
from scizor.base.masking import mask
from scizor.base.protocols import Message

SMS_MAX = 160  # characters: one SMS
SLACK_MAX = 3_000  # characters, as Slack's documentation says of a text block
BODY_MAX = 16_000
FINAL = frozenset({400, 401, 403, 404, 405, 410, 413})  # the same again will be refused again
_loading = threading.Lock()
_STATUS = re.compile(r"\berror=(\d{3})\b")


def configured(config: Config) -> frozenset[Channel]:
    """The channels that have somewhere to go."""
    files = _files(config.alert)
    return frozenset(each for each in Channel if (config.mail.host if each is Channel.MAIL else files[each]))


def send(channel: Channel, message: Message, config: Config) -> Failure | None:
    """Delivers within the channel's time limit (wall), or says why not. Raises nothing."""
    try:
        if channel is Channel.MAIL:
            return _mail(message, config.mail)
        url = secret(_files(config.alert)[channel])
        if not url:
            return Failure(f"{channel} is not configured", is_final=True)
        return _by_apprise(channel, message, url, config.alert.timeout_seconds)
    except ConfigurationError as problem:
        return Failure(f"{channel}: {problem.message}", is_final=True)
    except (ScizorError, OSError, ImportError) as problem:
        return Failure(f"{channel}: {problem}")


def text_for(channel: Channel, message: Message) -> tuple[str, str]:
    """Title and body as the channel takes them: no control characters, and no longer than it takes. apprise escapes for Slack."""
    title, body = one_line(mask(message.subject)), plain(mask(message.body)).strip()
    if channel is Channel.SMS:
        return "", _cut(title, SMS_MAX)
    return title, _cut(body, SLACK_MAX - len(title) if channel in (Channel.SLACK_ALERTS, Channel.SLACK_PERFORMANCE) else BODY_MAX)


def hidden(text: str, url: str) -> str:
    """Without the URL and without any part of it that could be a key; one line."""
    parts = {part for part in re.split(r"[/:@?&=,+]+", url) if len(part) >= 6}
    for part in sorted({url, *parts}, key=len, reverse=True):
        text = text.replace(part, "***")
    return one_line(mask(text))


def _mail(message: Message, config: MailConfig) -> Failure | None:
    try:
        refused = mail.send(message, config)
    except mail.ContentRefusedError as problem:
        return Failure(str(problem.message), is_final=True)
    return Failure(f"the relay refused {', '.join(refused)}", is_final=True) if refused and len(refused) == len(mail.addresses(config.to)) else None


def _by_apprise(channel: Channel, message: Message, url: str, seconds: float) -> Failure | None:
    library = prepare()
    answer: list[Failure | None] = []

    def talk() -> None:
        try:
            answer.append(_notify(library, channel, message, url, seconds))
        except (OSError, ValueError, TypeError, AttributeError, LookupError, RuntimeError) as problem:  # a bug of a service's plugin
            answer.append(Failure(f"{channel}: {type(problem).__name__}: {hidden(str(problem), url)}"))

    # apprise's limits are for each read; a service that drips would hold the run for ever.
    thread = threading.Thread(target=talk, name=str(channel), daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0] if answer else Failure(f"{channel} did not finish within {seconds:g} s")


@cache
def prepare() -> Any:
    """apprise, with its services loaded, which it does at the first question and not for two threads at once. It is loaded late: 1 s, and
    hardly a run has something to tell."""
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what its services import is their business
        import apprise

        library: Any = apprise  # half of it has no types
        library.Apprise.instantiate("json://localhost")
    library.logger.propagate = False  # it quotes addresses: what it says is read from its answer, and hidden
    library.logger.addHandler(logging.NullHandler())
    return library


def _notify(library: Any, channel: Channel, message: Message, url: str, seconds: float) -> Failure | None:
    service = library.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        return Failure(f"{channel}: its file holds no URL that apprise knows", is_final=True)
    service.socket_connect_timeout = service.socket_read_timeout = seconds
    told = library.Apprise()
    told.add(service)
    title, body = text_for(channel, message)
    kind = library.NotifyType.SUCCESS if message.recovered else library.NotifyType.WARNING
    result = told.notify(body=body, title=title, notify_type=kind, body_format=library.NotifyFormat.TEXT)
    if result:
        return None
    said = " ".join(entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR", "CRITICAL"))
    status = _STATUS.search(said)
    return Failure(f"{channel}: {hidden(said, url) or 'it gave no reason'}", is_final=status is not None and int(status[1]) in FINAL)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _files(config: AlertConfig) -> dict[Channel, str]:
    return {
        Channel.SLACK_ALERTS: config.slack_alerts_file, Channel.SLACK_PERFORMANCE: config.slack_performance_file, Channel.SMS: config.sms_file,
        Channel.WEBHOOK: config.webhook_file,
    }  # fmt: skip
