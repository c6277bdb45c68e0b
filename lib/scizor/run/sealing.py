"""The files of a backup: written once through a checksum (and age, where there are recipients), named in SHA256SUMS, and
read back through the same. The one room that knows pyrage.

SHA256SUMS is what `sha256sum -c` reads. It is compared as a whole with what the folder's files would give, so that a flipped
bit anywhere, in itself too, a missing file and one too many are all the same: another text.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from scizor.base.config import secret
from scizor.base.errors import ConfigurationError, FindingError, NoSpaceError, PartialError, RefusedError, ScizorError
from scizor.base.paths import ROOT, give_to_owner

SUMS = "SHA256SUMS"
BLOCK = 1 << 20
AGE = ".age"


class Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that was written. path: below the folder. sha256, plain_sha256: hex, of what lies there and of what went in."""

    path: str
    bytes: int
    sha256: str
    plain_bytes: int
    plain_sha256: str


class Through:
    """Bytes on their way, counted and hashed."""

    def __init__(self, inner: Any, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._inner, self._is_stopped = inner, is_stopped
        self.bytes, self._hash = 0, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        if self._is_stopped():
            raise InterruptedError(errno.EINTR, "asked to stop")
        block: bytes = self._inner.read(size)
        self._count(block)
        return block

    def write(self, data: bytes) -> int:
        if self._is_stopped():
            raise InterruptedError(errno.EINTR, "asked to stop")
        self._inner.write(data)
        self._count(data)
        return len(data)

    def flush(self) -> None:
        self._inner.flush()

    def hex(self) -> str:
        return self._hash.hexdigest()

    def _count(self, data: bytes) -> None:
        self.bytes += len(data)
        self._hash.update(data)


def recipients(named: str) -> list[str]:
    """The public keys of [backup] recipients: keys, or files with one a line. ConfigurationError for what is neither."""
    found: list[str] = []
    for each in filter(None, (part.strip() for part in named.split(","))):
        if each.startswith(("age1", "ssh-")):
            found.append(each)
            continue
        try:
            lines = (ROOT / Path(each).expanduser()).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            raise ConfigurationError(f"backup.recipients names {each}, which cannot be read: {problem}") from None
        found += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if named.strip() and not found:
        raise ConfigurationError("backup.recipients names no key", hint="age-keygen makes one; its public half begins with age1")
    for each in found:
        _recipient(each)
    return found


def identities(file: str) -> list[Any]:
    """The keys of [backup] identity_file; none where none is named."""
    import pyrage

    text = secret(file)
    found = []
    for line in (text or "").splitlines():
        if line.startswith("AGE-SECRET-KEY-"):
            try:
                found.append(pyrage.x25519.Identity.from_str(line.strip()))
            except pyrage.IdentityError:
                raise ConfigurationError(f"{file} holds a damaged age key") from None
    if text and not found:
        raise ConfigurationError(f"{file} holds no age key", hint="it is a line that begins with AGE-SECRET-KEY-")
    return found


def write(source: Source, file: Path, keys: Sequence[str], is_stopped: Callable[[], bool] = lambda: False) -> Sealed:
    """Takes everything from source into a new file of mode 0600, on disk when this returns. With keys: encrypted, and .age
    is added to its name. NoSpaceError and RefusedError for the disk's refusals."""
    target = file.with_name(file.name + AGE) if keys else file
    taken = Through(source, is_stopped)
    try:
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            put = Through(out)
            if keys:
                import pyrage

                try:
                    pyrage.encrypt_io(taken, put, [_recipient(each) for each in keys])
                except pyrage.EncryptError as problem:
                    raise RefusedError(f"cannot encrypt {target.name}: {problem}") from None
            else:
                while block := taken.read(BLOCK):
                    put.write(block)
            out.flush()
            os.fsync(out.fileno())
    except OSError as problem:
        raise refusal(problem, target) from None
    give_to_owner(target)
    return Sealed(target.name, put.bytes, put.hex(), taken.bytes, taken.hex())


def sums(folder: Path) -> str:
    """What SHA256SUMS must say of the folder as it is now. FindingError for what cannot be read or is no file."""
    lines = []
    try:
        for path in sorted(folder.rglob("*"), key=os.fspath):
            kind = path.lstat().st_mode
            if stat.S_ISDIR(kind) or path == folder / SUMS:
                continue
            if not stat.S_ISREG(kind):
                raise FindingError(f"{path} is no file")
            lines.append(f"{hash_of(path)}  {path.relative_to(folder)}\n")
    except OSError as problem:
        raise FindingError(f"cannot read {problem.filename}: {problem.strerror}") from None
    return "".join(lines)


def check(folder: Path) -> None:
    """FindingError, with the file's name, unless every file is what it was when it was sealed and none is missing or new."""
    try:
        said = (folder / SUMS).read_bytes()
    except OSError as problem:
        raise FindingError(f"{folder} has no {SUMS}: {problem.strerror}") from None
    found = sums(folder).encode()
    if said == found:
        return
    before, now = _by_name(said), _by_name(found)
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    words = [
        f"{name.decode('utf-8', 'replace')} {'is missing' if name not in now else 'is not of it' if name not in before else 'has changed'}"
        for name in names[:5]
    ]
    raise FindingError(f"{folder.name} is damaged: {', '.join(words) or SUMS + ' has changed'}")


@contextlib.contextmanager
def opened(file: Path, keys: Sequence[Any]) -> Iterator[IO[bytes]]:
    """The file's plain bytes, decrypted on the way where its name ends in .age. FindingError when the key does not fit or
    the text was tampered with, once the body has read to the end."""
    if file.suffix != AGE:
        with open(file, "rb") as source:
            yield source
        return
    if not keys:
        raise ConfigurationError(f"{file.name} is encrypted", hint="name the key: identity_file under [backup]")
    import pyrage

    failed: list[str] = []
    end_out, end_in = os.pipe()

    def decrypt() -> None:
        try:
            with open(end_in, "wb") as sink, open(file, "rb") as source:
                pyrage.decrypt_io(source, sink, list(keys))
        except BrokenPipeError:
            pass  # whoever reads has seen enough
        except (pyrage.DecryptError, OSError) as problem:
            failed.append(str(problem))

    thread = threading.Thread(target=decrypt, name="decrypt", daemon=True)
    thread.start()
    problem: ScizorError | None = None
    try:
        with open(end_out, "rb") as plain:
            try:
                yield plain
            except ScizorError as raised:
                problem = raised
    finally:
        thread.join()
    if failed and "roken pipe" not in failed[0]:
        raise FindingError(f"{file.name} cannot be decrypted: {failed[0]}", hint="is it the key of identity_file under [backup]?")
    if problem is not None:
        raise problem


def hash_of(file: Path) -> str:
    total = hashlib.sha256()
    with open(file, "rb") as source:
        while block := source.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def put_text(file: Path, text: str) -> None:
    """A small file of mode 0600, as a whole and on disk."""
    partial = file.with_name(file.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        give_to_owner(partial)
        partial.replace(file)
        sync(file.parent)
    except OSError as problem:
        raise refusal(problem, file) from None


def sync(folder: Path) -> None:
    """The folder's entries too, else a power cut may bring back the old names."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(folder: Path) -> None:
    """Renamed first, so that a half-removed one is nobody's backup."""
    gone = folder if folder.name.endswith(".partial") else folder.with_name(folder.name + ".partial")
    try:
        if gone != folder:
            folder.rename(gone)
        shutil.rmtree(gone)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise refusal(problem, folder) from None


def refusal(problem: OSError, file: Path) -> ScizorError:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(f"no room for {file}", hint="free some, or name another folder: --to, directory under [backup]")
    if problem.errno == errno.EINTR:
        return PartialError(f"asked to stop: {file.name} was not finished and does not count")
    return RefusedError(f"cannot write {file}: {problem.strerror}", hint="whose is the folder? directory under [backup], or --to")


def _by_name(text: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b"  ") for line in text.split(b"\n"))
    return {name: digest for digest, _, name in lines if name}


def _recipient(key: str) -> Any:
    import pyrage

    try:
        return (pyrage.ssh.Recipient if key.startswith("ssh-") else pyrage.x25519.Recipient).from_str(key)
    except pyrage.RecipientError:
        raise ConfigurationError(f"backup.recipients: {key[:20]}… is no age public key") from None
