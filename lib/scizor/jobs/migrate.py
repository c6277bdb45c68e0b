"""bin/migrate: the schema that this checkout needs. On the embedded server it makes roles and database as well."""

from __future__ import annotations

from scizor.base.config import Config, DatabaseConfig
from scizor.db import migrate, originals
from scizor.db.connect import check_mode, connect
from scizor.db.embedded import SUPERUSER
from scizor.run.context import Context, Result
from scizor.run.servers import database_server


def run(context: Context) -> Result:
    if context.args.print_setup:
        print(migrate.print_setup(context.config.database))
        return Result()
    with database_server(context.config) as server:
        prepare(context.config, server, is_dry=context.args.dry_run)
        with connect(server, application=context.name, owner=True, clock=context.clock) as owner:
            if context.args.dry_run:
                known = migrate.applied(owner)
                missing = [path.name for number, path in migrate.files().items() if number not in known]
                print("\n".join(["missing:", *missing]) if missing else "nothing is missing")
                if aside := originals.told(originals.standing(owner), done=False):
                    print(aside)
                return Result()
            done = migrate.apply(owner, context.clock.now(), say=print)
            check_mode(owner, context.config.mode, context.clock)
    context.log.info("applied %s", ", ".join(done) or "nothing")
    return Result(f"applied {', '.join(done)}" if done else "the schema is up to date")


def prepare(config: Config, server: DatabaseConfig, *, is_dry: bool = False) -> None:
    """Roles and a database on the embedded server, with a previous product's tables out of the way; a configured server is
    its DBA's."""
    if config.database.host:
        return
    with connect(server, application="migrate", user=SUPERUSER, name="postgres") as superuser:
        migrate.prepare(superuser, server)
    if not is_dry:
        with connect(server, application="migrate", user=SUPERUSER) as superuser:
            migrate.move_aside(superuser, say=print)
