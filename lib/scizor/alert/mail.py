"""One message over SMTP: composed so that no text can become a header, delivered within one deadline, or refused by name.

The relay lives in the real world: its deadline is the wall's even where the market's clock is accelerated, or a healthy
relay would look like a dead one. At least once: a repeated delivery carries the same Message-ID.
"""

from __future__ import annotations

import hashlib
import ipaddress
import smtplib
import socket
import ssl
import threading
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses

from scizor.alert.text import one_line, plain
from scizor.base.config import MailConfig, secret
from scizor.base.errors import ConfigurationError, RefusedError, ScizorError, UnreachableError
from scizor.base.masking import mask
from scizor.base.protocols import Message

BODY_MAX = 64_000  # characters
RECIPIENTS_MAX = 20


class ContentRefusedError(RefusedError):
    """The relay takes mail, but not this one: the others need not wait for it."""


def send(message: Message, config: MailConfig) -> list[str]:
    """Delivers, or raises. Returns the recipients whom the relay refused while it took the others.

    Raises UnreachableError when the relay does not answer within config.timeout_seconds (wall) or cannot be trusted,
    RefusedError when it refuses us, ContentRefusedError when it refuses this message, ConfigurationError for the rest.
    """
    password = secret(config.password_file)
    composed = compose(message, config)
    _check_login(config, password)
    answer: list[list[str] | Exception] = []

    def talk() -> None:
        try:
            answer.append(_talk(composed, config, password))
        except (OSError, ValueError, ScizorError) as problem:
            answer.append(problem)

    # A timeout of smtplib's is for each read; a relay that drips one byte at a time would hold a job for ever.
    thread = threading.Thread(target=talk, name="mail", daemon=True)
    thread.start()
    thread.join(config.timeout_seconds)
    if not answer:
        raise UnreachableError(f"the mail relay {_relay(config)} did not finish within {config.timeout_seconds:g} s", hint=HINT)
    if isinstance(answer[0], Exception):
        raise _explain(answer[0], config, password) from None
    return answer[0]


HINT = "see [mail] in etc/scizor.toml; the mail is kept, and the next run of any job tries again"


def compose(message: Message, config: MailConfig) -> EmailMessage:
    """The mail, with headers that hold one line each, whatever the message says."""
    recipients = addresses(config.to)
    if not recipients:
        raise ConfigurationError("mail.to names nobody", hint="set [mail] to in etc/scizor.toml, or empty mail.host")
    composed = EmailMessage(policy=SMTP)
    try:
        composed["From"] = config.sender
        composed["To"] = ", ".join(recipients)
    except (ValueError, MessageError) as problem:
        raise ConfigurationError(f"mail.sender or mail.to is no address: {problem}") from None
    composed["Subject"] = one_line(mask(message.subject))
    composed["Date"] = format_datetime(message.at)
    kind = "recovered" if message.recovered else "failed"
    identity = hashlib.sha256(f"{message.fingerprint} {kind} {message.at.isoformat()}".encode("utf-8", "replace")).hexdigest()
    thread = hashlib.sha256(message.fingerprint.encode("utf-8", "replace")).hexdigest()
    composed["Message-ID"] = f"<{identity[:32]}@scizor>"
    composed["References"] = f"<{thread[:32]}@scizor>"  # one conversation a failure in whatever reads it
    composed["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notes in return
    composed.set_content(plain(mask(message.body))[:BODY_MAX])
    return composed


def addresses(text: str) -> list[str]:
    """The addresses in a comma-separated list; empty if there is none."""
    return [address for _, address in getaddresses([text]) if address][:RECIPIENTS_MAX]


def _talk(composed: EmailMessage, config: MailConfig, password: str | None) -> list[str]:
    where, limit = (config.host, config.port), config.timeout_seconds
    is_tls = config.security == "tls"
    connect = smtplib.SMTP_SSL(*where, timeout=limit, context=ssl.create_default_context()) if is_tls else smtplib.SMTP(*where, timeout=limit)
    with connect as relay:
        if config.security == "starttls":
            relay.starttls(context=ssl.create_default_context())
        if config.user:
            relay.login(config.user, password or "")
        return list(relay.send_message(composed))


def _check_login(config: MailConfig, password: str | None) -> None:
    if config.user and not password:
        raise ConfigurationError("mail.user is set, and mail.password_file is not", hint="name a file of mode 0400")
    if config.user and config.security == "none" and not _is_loopback(config.host):
        raise ConfigurationError(
            f"mail.security = \"none\" would send the password in the clear to {config.host}", hint="starttls or tls"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _explain(problem: Exception, config: MailConfig, password: str | None) -> ScizorError:
    """What a person must do about it. The relay's words are foreign: one line, masked, and never after a login."""
    relay = f"the mail relay {_relay(config)}"

    def words(code: int, text: bytes | str) -> str:
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return one_line(f"{code} {mask(said, password)}")

    match problem:
        case ScizorError():
            return problem
        case smtplib.SMTPAuthenticationError():
            return RefusedError(f"{relay} refused the login of {config.user} ({problem.smtp_code})", hint=HINT)
        case smtplib.SMTPNotSupportedError():
            return RefusedError(f"{relay} does not offer what is asked of it: {one_line(str(problem))}", hint="see mail.security")
        case smtplib.SMTPRecipientsRefused():
            code, text = next(iter(problem.recipients.values()))
            return RefusedError(f"{relay} refused all recipients: {words(code, text)}", hint="see mail.to")
        case smtplib.SMTPDataError():
            return ContentRefusedError(f"{relay} refused the message: {words(problem.smtp_code, problem.smtp_error)}", hint=HINT)
        case smtplib.SMTPResponseException():
            return RefusedError(f"{relay} refused: {words(problem.smtp_code, problem.smtp_error)}", hint="see mail.sender")
        case ssl.SSLCertVerificationError():
            return UnreachableError(f"{relay} has a certificate that is not to be trusted: {problem.verify_message}", hint=HINT)
        case TimeoutError():
            return UnreachableError(f"{relay} does not answer within {config.timeout_seconds:g} s", hint=HINT)
        case socket.gaierror():
            return UnreachableError(f"{relay} has no address: {problem.strerror}", hint="see mail.host")
        case OSError():
            return UnreachableError(f"{relay} cannot be reached: {one_line(mask(problem.strerror or str(problem), password))}", hint=HINT)
        case _:  # ValueError: an address that this relay cannot take
            return ConfigurationError(f"this mail cannot be sent: {one_line(mask(str(problem), password))}", hint="see [mail]")


def _relay(config: MailConfig) -> str:
    return f"{config.host}:{config.port}"
