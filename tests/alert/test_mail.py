"""Mail over a real SMTP relay: what arrives, what is refused, and that no text becomes a header (I40) or tells a secret (I32)."""

from __future__ import annotations

import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import relay as relays
from tests.relay import PASSWORD, USER, Relay, body_of

from scizor.alert import mail
from scizor.alert.text import LINE_MAX, one_line
from scizor.base.errors import ConfigurationError, RefusedError, UnreachableError
from scizor.base.protocols import Message, Severity

AT = datetime(2025, 1, 15, 6, 7, tzinfo=UTC)
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip


def message(subject: str = "scizor: collect-daily failed", body: str = "nothing listens on 127.0.0.1:4002\n") -> Message:
    return Message("f" * 32, Severity.HIGH, subject, body, AT)


def secret_file(directory: Path, content: str = PASSWORD, mode: int = 0o400) -> str:
    path = directory / "password"
    path.write_text(content + "\n")
    path.chmod(mode)
    return str(path)


def test_a_message_arrives_as_it_was_written(relay: Relay) -> None:
    body = "first line\n.a line that begins with a dot\nfünf Aktien, 五\n" + "x" * 3000 + "\n"
    assert mail.send(message(body=body), relay.config(to="trader@example.org, Second <ops@example.org>")) == []
    (arrived,) = relay.mails
    assert body_of(arrived).replace("\r\n", "\n") == body
    assert arrived["Subject"] == "scizor: collect-daily failed"
    assert arrived["Date"] == "Wed, 15 Jan 2025 06:07:00 +0000"
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert relay.envelopes[0].rcpt_tos == ["trader@example.org", "ops@example.org"]


def test_a_repeated_delivery_carries_the_same_message_id(relay: Relay) -> None:
    for _ in range(2):
        mail.send(message(), relay.config())
    other = Message("f" * 32, Severity.HIGH, "s", "b", AT.replace(hour=7))
    mail.send(other, relay.config())
    first, second, later = (each["Message-ID"] for each in relay.mails)
    assert first == second != later
    assert len({each["References"] for each in relay.mails}) == 1, "one conversation a failure"


def hostile_texts(count: int) -> Iterator[str]:
    yield from [
        "x\r\nBcc: thief@example.org", "x\nBcc: thief@example.org\n\nbody", "x\rBcc: thief@example.org", "\r\n\r\nbody",
        "x\u2028Bcc: thief@example.org", "x\u0085Bcc: thief@example.org", "x\x0bBcc: y", "x\x0cBcc: y", "x\x00y", "\udcff\ud800",
        "BHP'; drop table bar;--", "=?utf-8?q?x=0D=0ABcc:_thief=40example.org?=", "\u202egnp.exe", "ａ" * 5000, "", " ", ".\r\n.\r\nQUIT\r\n",
    ]  # fmt: skip
    pieces = ["\r\n", "\r", "\n", "Bcc: thief@example.org", ":", " ", ".", "\0", "\u2029", "=?utf-8?b?DQpCY2M6?=", "Ü", "\udc80", "BHP", "\t", "<", "\x7f"]
    chooser = random.Random(40)
    for _ in range(count):
        yield "".join(chooser.choices(pieces, k=chooser.randint(1, 12)))


def assert_no_text_became_a_header(count: int, relay: Relay) -> None:
    config = relay.config()
    sent = 0
    for text in hostile_texts(count):
        composed = mail.compose(Message(text, Severity.HIGH, text, text, AT), config)
        raw = composed.as_bytes()
        head = raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
        names = [line.split(b":", 1)[0].decode() for line in head if not line[:1].isspace()]
        assert set(names) <= HEADERS and len(names) == len(set(names)), (text, names)
        assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b""), text
        if sent < 40:
            mail.send(Message(text, Severity.HIGH, text, text, AT), config)
            sent += 1
            assert set(relay.mails[-1].keys()) <= HEADERS
            assert relay.envelopes[-1].rcpt_tos == ["trader@example.org"]
    assert len(relay.mails) == sent


def test_I40_no_text_becomes_a_header_or_a_recipient(relay: Relay) -> None:
    assert_no_text_became_a_header(300, relay)


@pytest.mark.exhaustive
def test_I40_no_text_becomes_a_header_or_a_recipient_in_full(relay: Relay) -> None:
    assert_no_text_became_a_header(10_000, relay)


def test_I40_the_check_above_sees_an_injected_header() -> None:
    """The planted defect: the same text, unguarded, in a hand-made mail."""
    raw = b"Subject: x\r\nBcc: thief@example.org\r\n\r\nbody"
    names = {line.split(b":", 1)[0].decode() for line in raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n")}
    assert not names <= HEADERS


def test_a_subject_is_one_short_line() -> None:
    assert one_line("a\r\n b\u2028c\td") == "a b c d"
    assert len(one_line("x" * 1000)) == LINE_MAX
    assert one_line("\u202eevil") == "evil"


def test_I32_no_secret_and_no_account_in_a_mail(relay: Relay, tmp_path: Path) -> None:
    canary = "cAnArY-9b1c"
    texts = f"cannot connect to postgresql://scizor:{canary}@db/scizor for U1234567, password={canary}"
    config = relay.config(user=USER, password_file=secret_file(tmp_path))
    mail.send(message(subject=texts, body=texts), config)
    (arrived,) = relay.mails
    whole = arrived.as_string() + body_of(arrived)
    assert canary not in whole and "1234567" not in whole and PASSWORD not in whole
    assert "postgresql://scizor:***@db/scizor" in body_of(arrived), "the rest stays for the reader"


def test_a_login_comes_from_a_secret_file(relay: Relay, tmp_path: Path) -> None:
    mail.send(message(), relay.config(user=USER, password_file=secret_file(tmp_path)))
    assert relay.logins == [USER] and len(relay.mails) == 1


def test_a_refused_login_is_told_without_the_password(relay: Relay, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="refused the login of scizor") as refusal:
        mail.send(message(), relay.config(user=USER, password_file=secret_file(tmp_path, "wrong-cAnArY")))
    assert "cAnArY" not in str(refusal.value)


def test_row_76_a_secret_that_others_can_read_is_refused(relay: Relay, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"permissions 0644 on .* must be 0400"):
        mail.send(message(), relay.config(user=USER, password_file=secret_file(tmp_path, mode=0o644)))
    assert relay.mails == []


def test_a_password_is_never_sent_in_the_clear_to_another_host(tmp_path: Path) -> None:
    config = Relay(25).config(host="192.0.2.1", user=USER, password_file=secret_file(tmp_path))
    with pytest.raises(ConfigurationError, match="in the clear"):
        mail.send(message(), config)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_travels_encrypted_and_the_certificate_is_checked(
    security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl absent: no certificate can be made")
    certificate = relays.make_certificate(tmp_path)
    with relays.relay(security, certificate) as server:
        config = server.config(user=USER, password_file=secret_file(tmp_path))
        with pytest.raises(UnreachableError, match="certificate that is not to be trusted"):
            mail.send(message(), config)
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        mail.send(message(), config)
        assert len(server.mails) == 1 and server.logins == [USER]


def test_a_relay_without_starttls_is_refused_rather_than_trusted(relay: Relay) -> None:
    with pytest.raises(RefusedError, match="does not offer"):
        mail.send(message(), relay.config(security="starttls"))


def test_a_relay_that_is_down_is_named(relay: Relay) -> None:
    relay.down()
    with pytest.raises(UnreachableError, match=f"the mail relay 127.0.0.1:{relay.port} cannot be reached"):
        mail.send(message(), relay.config())


@pytest.mark.parametrize("greeting", [b"", b"2", b"220 slow\r\n"])
def test_a_relay_that_is_silent_or_drips_costs_no_more_than_the_deadline(greeting: bytes) -> None:
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(greeting)
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"2" if greeting else b"")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        begun = time.monotonic()
        try:
            with pytest.raises(UnreachableError, match=r"within 1 s|cannot be reached"):
                mail.send(message(), Relay(listener.getsockname()[1]).config(timeout_seconds=1.0))
            assert time.monotonic() - begun < 4
        finally:
            stop.set()
            thread.join()
            for each in threading.enumerate():
                if each.name == "mail":
                    each.join(10)


def test_a_mail_that_is_refused_for_its_content_is_told_apart(relay: Relay) -> None:
    relay.refuse_text = "casino"
    with pytest.raises(mail.ContentRefusedError, match="554 looks like spam"):
        mail.send(message(body="casino"), relay.config())
    mail.send(message(), relay.config())


def test_who_is_refused_alone_is_named_and_the_others_get_it(relay: Relay) -> None:
    relay.refuse_recipient = "gone"
    assert mail.send(message(), relay.config(to="gone@example.org, trader@example.org")) == ["gone@example.org"]
    assert len(relay.mails) == 1
    with pytest.raises(RefusedError, match="refused all recipients: 550 no such person"):
        mail.send(message(), relay.config(to="gone@example.org"))


def test_the_words_of_a_relay_are_one_masked_line(relay: Relay) -> None:
    relay.refuse_everything = "554-postgresql://a:cAnArY@db\r\n554 of U1234567"
    with pytest.raises(mail.ContentRefusedError) as refusal:
        mail.send(message(), relay.config())
    assert "cAnArY" not in str(refusal.value) and "1234567" not in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("changes", [{"to": ""}, {"to": " , "}, {"sender": "a\r\nBcc: thief@example.org"}])
def test_a_configuration_that_names_nobody_is_said(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        mail.send(message(), Relay(25).config(**changes))
