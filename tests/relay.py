"""A real mail relay on loopback: what it takes it keeps, what it is told to refuse it refuses."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from scizor.base.config import Config, MailConfig

USER, PASSWORD = "scizor", "cAnArY-relay-7f3a"


@dataclass
class Relay:
    """mails: what arrived, parsed. envelopes: to whom. refuse_text: mails holding it are refused with 554."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuse_text: str = ""
    refuse_recipient: str = ""
    refuse_everything: str = ""
    security: str = "none"
    certificate: Path | None = None
    _controller: Controller | None = None

    @property
    def subjects(self) -> list[str]:
        return [str(each["Subject"]) for each in self.mails]

    def config(self, **changes: object) -> MailConfig:
        base = MailConfig(host="127.0.0.1", port=self.port, to="trader@example.org", security=self.security, timeout_seconds=5.0)
        return replace(base, **changes)  # type: ignore[arg-type]

    def whole_config(self, **changes: object) -> Config:
        return replace(Config(), mode="replay", mail=self.config(**changes))

    def up(self) -> None:
        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
        tls = {"ssl_context": context} if self.security == "tls" else {"tls_context": context}
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, authenticator=self._login, auth_require_tls=False, ready_timeout=20, **tls
        )
        self._controller.start()

    def down(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def _login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        # A relay that quotes what it was told: the quotation must not reach a person.
        return AuthResult(success=is_right, handled=False)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.refuse_recipient and self.refuse_recipient in address:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        if self.refuse_everything:
            return self.refuse_everything
        parsed = message_from_bytes(content, policy=POLICY)
        if self.refuse_text and self.refuse_text in str(parsed["Subject"]) + body_of(parsed):
            return "554 looks like spam"
        self.mails.append(parsed)
        self.envelopes.append(envelope)
        return "250 OK"


def body_of(mail: EmailMessage) -> str:
    text = mail.get_content()
    assert isinstance(text, str)
    return text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def relay(security: str = "none", certificate: Path | None = None) -> Iterator[Relay]:
    server = Relay(free_port(), security=security, certificate=certificate)
    server.up()
    try:
        yield server
    finally:
        server.down()


def make_certificate(directory: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key in one file, valid for a day."""
    key, certificate, both = (directory / name for name in ("key.pem", "certificate.pem", "both.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}, timeout=60)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
