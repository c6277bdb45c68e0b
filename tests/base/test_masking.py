"""I32: no secret in a log, a mail or an error; row 77."""

from __future__ import annotations

import time

import pytest

from scizor.base.masking import mask

CANARY = "cAnArY-7f3a"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://scizor:{CANARY}@db.example:5432/scizor",
        f"cannot connect to postgresql://scizor:p@{CANARY}:x/y@db/scizor, giving up",
        f"redis://:{CANARY}@127.0.0.1:6379/0",
        f"'smtp://mail:{CANARY}@relay'",
        f"https://{CANARY}@example.org/hook",
        f"host=db user=scizor password={CANARY} dbname=scizor",
        f"host=db password = '{CANARY} with spaces and \\' a quote {CANARY}' dbname=scizor",
        f"password='{CANARY} cut before the quote ends",
        f"PGPASSWORD={CANARY} psql",
        f"postgresql://db/scizor?user=scizor&password={CANARY}&sslmode=require",
        f"sslpassword={CANARY}",
        f"{{'user': 'scizor', 'password': '{CANARY}'}}",
        f'{{"api_key": "{CANARY}"}}',
        f"DatabaseConfig(user='scizor', password='{CANARY}')",
    ],
)
def test_I32_row_77_a_password_never_stands_in_a_text(text: str) -> None:
    masked = mask(text)
    assert CANARY not in masked
    assert "***" in masked
    assert mask(masked) == masked, "masking twice is masking once"


def test_row_77_the_rest_of_an_address_stays_for_the_reader() -> None:
    assert mask("postgresql://scizor:hunter2@db:5432/scizor") == "postgresql://scizor:***@db:5432/scizor"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("account U1234567 is live", "account U*** is live"),
        ("DU1234567,DU7654321", "DU***,DU***"),
        ("DF123456: F7654321 and F7654321A", "DF***: F*** and F***"),
        ("account_U1234567", "account_U***"),
        ("'U1234567'", "'U***'"),
    ],
)
def test_I32_an_account_keeps_its_prefix_and_loses_its_number(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "nothing listens on 127.0.0.1:4002",
        "cannot read the secret file /etc/scizor/secrets/pg",
        "password authentication failed for user \"scizor_collector\"",
        "database.password_file must be text, not 3",
        "BHP 20250115 23 bars, conId 4036812",
        "http://127.0.0.1:8000/health",
        "U2 is no account, and neither is EU1234567 or a hash like 9f1234567ab",
    ],
)
def test_what_a_person_needs_is_left_alone(text: str) -> None:
    assert mask(text) == text


def test_a_known_secret_is_hidden_wherever_it_stands() -> None:
    assert mask(f"the relay said: 535 {CANARY} is wrong", CANARY, None, "") == "the relay said: 535 *** is wrong"


@pytest.mark.parametrize(
    ("secret", "text", "masked"),
    [
        ("co", "connection of \"co\" could not: co", "connection of \"***\" could not: ***"),
        ("a", "a has a database", "*** has *** database"),
        ("post", "postgresql at host/post refused", "*** at host/*** refused"),
        ("p@ss", "xp@ssx and p@ss", "*** and ***"),
    ],
)
def test_a_known_secret_does_not_show_through_the_words_that_contain_it(secret: str, text: str, masked: str) -> None:
    assert mask(text, secret) == masked


def test_a_hostile_megabyte_that_is_one_word_costs_what_its_length_costs() -> None:
    begun = time.perf_counter()
    assert mask("ab" * 500_000, "ab") == "ab" * 500_000
    assert mask("abcd" * 250_000, "abcd") == "***"
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("piece", ["://a:", "password='", "a" * 50 + "://", "'password': \"", "U12345", "token="])
def test_a_hostile_megabyte_costs_what_its_length_costs(piece: str) -> None:
    begun = time.perf_counter()
    mask(piece * (300_000 // len(piece)))
    assert time.perf_counter() - begun < 5
