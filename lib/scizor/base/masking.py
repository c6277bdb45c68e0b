"""What must never stand in a log, a mail or an error: passwords in addresses, and IB's account numbers.

The last net, not the first: a secret lies in a file of mode 0400 and goes from there to its one reader. But a driver's
error text may quote an address with its password, and whatever IB says names the account. In doubt more is hidden: a
port can be found again, a password that was mailed must be changed.
"""

from __future__ import annotations

import re

HIDDEN = "***"
SECRET_MIN = 4  # a known secret that is shorter is hidden where it stands alone: half of all words contain it

#: Bounded repeats: a line of a megabyte costs what its length costs, not its square.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # postgresql://user:password@host. Up to the last @ of the word: a password may hold @, : and /.
    (re.compile(r"(://[^\s:/@]{0,200}):\S{1,1000}@"), rf"\1:{HIDDEN}@"),
    # https://token@host has no user at all
    (re.compile(r"(\bhttps?://)[^\s:/@]{1,1000}@"), rf"\1{HIDDEN}@"),
    # password=secret as libpq writes it, PGPASSWORD=, ?sslpassword=, password='it may hold \' and spaces'
    (
        re.compile(r"(?i)(passw(?:or)?d|passphrase|pwd|secret|token|api_?key)(\s{0,3}=\s{0,3})(?!\*\*\*)"
                   r"(?:'(?:[^'\\]|\\.)*(?:'|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\Z)|[^\s&]+)"),
        rf"\1\2{HIDDEN}",
    ),
    # 'password': 'secret' of a dictionary or of JSON
    (
        re.compile(r"(?i)(['\"][a-z_]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|api_?key)['\"]\s{0,3}:\s{0,3})"
                   r"(?:'(?:[^'\\]|\\.)*(?:'|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\Z))"),
        rf"\1{HIDDEN}",
    ),
    # IB's accounts: U1234567 live, DU1234567 paper, F… and DF… an adviser's, I… and DI… his partner's; F1234567A is "all"
    (re.compile(r"(?<![A-Za-z0-9])(D?[UFI])\d{5,10}[A-Z]?(?![A-Za-z0-9])"), rf"\1{HIDDEN}"),
)  # fmt: skip


def mask(text: str, *secrets: str | None) -> str:
    """The text without passwords in addresses and without account numbers; an account keeps its prefix (U, DU, F, DF).

    secrets: values that are known to be secret, hidden wherever they stand, with the whole word around them: what is left
    of a word would give the secret away. Masking twice is masking once.
    """
    for secret in secrets:
        if secret:
            text = _hide(text, secret)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _hide(text: str, secret: str) -> str:
    """Without any word that contains the secret; of a short secret, without the word that is the secret."""
    kept: list[str] = []
    at = 0
    while (found := text.find(secret, at)) >= 0:
        first, last = found, found + len(secret)
        while first > at and _is_word(text[first - 1]):
            first -= 1
        while last < len(text) and _is_word(text[last]):
            last += 1
        is_hidden = len(secret) >= SECRET_MIN or text[first:last] == secret
        kept.append(text[at:first] + (HIDDEN if is_hidden else text[first:last]))
        at = last
    return "".join([*kept, text[at:]])


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
