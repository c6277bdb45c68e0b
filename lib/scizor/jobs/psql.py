"""bin/psql: a prompt on the right database, with the right login, from anywhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from scizor.base import config as configuration
from scizor.base.config import Config, secret
from scizor.base.errors import ConfigurationError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.jobs.demo import FILE as DEMO_FILE
from scizor.run.context import Context, Result
from scizor.run.servers import client_binaries, database_server


def run(context: Context) -> Result:
    config, words = _choose(context), context.args.rest
    program = shutil.which("psql", path=f"{os.environ.get('PATH', '')}:/usr/local/bin:/usr/bin:/bin") or str(client_binaries(config) / "psql")
    with database_server(config) as server:
        user = server.owner if context.args.owner else server.user
        password = secret(server.owner_password_file if context.args.owner else server.password_file)
        where = {"PGHOST": server.host, "PGPORT": str(server.port), "PGDATABASE": server.name, "PGUSER": user}
        if password:
            where["PGPASSWORD"] = password
        # Ctrl-C is psql's: it cancels the query. Not SIG_IGN, which a child inherits.
        signal.signal(signal.SIGINT, lambda *_: None)
        done = subprocess.run([program, *_with_files(words)], env={**os.environ, **where}, check=False)
    raise SystemExit(done.returncode if done.returncode >= 0 else int(Exit.INTERRUPTED))


def _choose(context: Context) -> Config:
    """The named or configured database; else the demo's, and the person is told."""
    if context.config.file is not None:
        return context.config
    if DEMO_FILE.exists():
        print(f"psql: nothing is configured; this is the demo's database ({DEMO_FILE.relative_to(ROOT)})", file=sys.stderr)
        return configuration.load(DEMO_FILE)
    raise ConfigurationError(
        f"there is no {configuration.FILE} and no demo", hint=f"bin/demo, or cp {configuration.EXAMPLE} {configuration.FILE}"
    )


def _with_files(words: list[str]) -> list[str]:
    """A file after -f that is not here is looked for in the checkout."""
    found = list(words)
    for index, word in enumerate(words):
        if index and words[index - 1] in ("-f", "--file") and not Path(word).exists() and (ROOT / word).exists():
            found[index] = str(ROOT / word)
    return found
