"""bin/audit: is what is installed what the lock file names, and does anybody know of a fault in it?

Three questions. Names and versions, from the lock file and the environment's metadata. Contents, from each package's RECORD: the
hashes that pip wrote down as it unpacked the wheel whose own hash the lock file names. Vulnerabilities, from OSV
(https://google.github.io/osv.dev/post-v1-querybatch/): one question for all, names and versions, nothing else leaves the host.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from scizor.base.errors import UnreachableError
from scizor.base.exit import Exit
from scizor.run.context import Context, Result

BUILT_IN = frozenset({"pip", "setuptools"})  # python's venv brings them
CHUNK = 1 << 20
BATCH_MAX = 500  # OSV takes 1,000 questions at once


def run(context: Context) -> Result:
    wanted = locked((context.paths.root / "etc" / "requirements.lock").read_text())
    there = {canonical(each.metadata["Name"]): each for each in importlib.metadata.distributions()}
    also = {canonical(name) for name in context.config.audit.also.replace(",", " ").split()}
    failures = differences(wanted, {name: each.version for name, each in there.items()}, also)
    for each in there.values():
        if context.stop.is_asked:
            return Result("stopped before the end", Exit.PARTIAL, hint="run it again")
        failures += changed_files(each)
    result = Result(f"{len(there)} packages compared with etc/requirements.lock", failures=failures, counts={"targets": len(there), "failed": len(failures)})
    if failures:
        result.status, result.kind, result.hint = Exit.FINDING, "environment", "rm .venv/requirements.lock && bin/setup makes the environment anew from the lock file"
    if context.args.offline or not context.config.audit.url:
        return result
    try:
        known = vulnerabilities(context.config.audit.url, {name: each.version for name, each in there.items()}, context.config.audit.timeout_seconds)
    except UnreachableError as problem:
        if failures:  # what was found counts more
            result.failures.append(problem.message)
            return result
        raise
    for name, ids in sorted(known.items()):
        result.failures.append(f"{name} {there[name].version}: {', '.join(ids)}")
    if known:
        result.status, result.kind = Exit.FINDING, result.kind or "vulnerability"
        result.hint = result.hint or "does it concern us? then a newer version in etc/requirements.in, or the next release of scizor: git pull && bin/upgrade"
    result.summary += f", {sum(map(len, known.values()))} known vulnerabilities"
    return result


def locked(text: str) -> dict[str, str]:
    """Name → version of what the lock file wants here: lines with a marker (python_version …) only where it holds."""
    from packaging.requirements import Requirement  # late: --help does not pay for it

    found = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words = line.split("#", 1)[0].split("--hash=", 1)[0].strip()
        if words:
            each = Requirement(words)
            if each.marker is None or each.marker.evaluate():
                found[canonical(each.name)] = next(iter(each.specifier)).version
    return found


def differences(wanted: Mapping[str, str], there: Mapping[str, str], also: Iterable[str]) -> list[str]:
    """Pure: what is missing, of another version, or there unasked; a line each."""
    found = [f"{name} {version} is not installed" for name, version in wanted.items() if name not in there]
    found += [f"{name} is {there[name]}, locked is {version}" for name, version in wanted.items() if there.get(name, version) != version]
    unasked = sorted(set(there) - set(wanted) - BUILT_IN - set(also))
    return found + [f"{name} {there[name]} is installed and not locked; yours? [audit] also names it" for name in unasked]


def changed_files(package: Distribution) -> list[str]:
    """Files of a package that are gone, or not those that were installed; a line each."""
    found = []
    for each in package.files or []:
        if each.hash is None:  # RECORD itself, and what was compiled
            continue
        path = Path(str(each.locate()))
        digest = _digest(path, each.hash.mode)
        if digest != each.hash.value:
            found.append(f"{package.metadata['Name']} {package.version}: {each} " + ("is gone" if digest is None else "is not what was installed"))
    return found


def _digest(path: Path, mode: str) -> str | None:
    """As RECORD writes it: URL-safe base64 without padding; None where the file is not there."""
    digest = hashlib.new(mode)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def vulnerabilities(url: str, packages: Mapping[str, str], timeout_seconds: float) -> dict[str, list[str]]:
    """Name → ids of what OSV knows about exactly that version. Raises UnreachableError where it does not answer as it should."""
    import requests  # late: --help does not pay for it

    names, found = list(packages), dict[str, list[str]]()
    for start in range(0, len(names), BATCH_MAX):
        part = names[start : start + BATCH_MAX]
        ecosystem = "PyPI"
        queries: list[Any] = [{"package": {"name": name, "ecosystem": ecosystem}, "version": packages[name]} for name in part]
        try:
            answer = requests.post(url, json={"queries": queries}, timeout=timeout_seconds, allow_redirects=False)
            answer.raise_for_status()
            results: list[dict[str, Any]] = answer.json()["results"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as problem:
            raise UnreachableError(f"nobody could be asked for vulnerabilities: {type(problem).__name__}", hint="is the host online? [audit] url names whom to ask; --offline asks nobody") from None
        if not isinstance(results, list) or len(results) != len(part):
            raise UnreachableError(f"{len(part)} questions, but not as many answers: nobody knows of what", hint="does [audit] url speak OSV's querybatch?")
        for name, each in zip(part, results, strict=True):
            if ids := [str(vulnerability["id"]) for vulnerability in (each or {}).get("vulns", [])]:
                found[name] = ids
    return found


def canonical(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
