"""What a person does once: the rights that a DBA grants for backups, and base backup with an archive of the log for who must
not lose more than minutes. Printed, not done: both need the server's configuration."""

from __future__ import annotations

from scizor.base.config import Config
from scizor.jobs.backup_verify import scratch_name


def grants(config: Config) -> str:
    """The psql script that a DBA runs as superuser, after bin/migrate --print-setup and bin/migrate."""
    backup, database = config.backup, config.database
    restorer = backup.restore_user or database.owner
    lines = ["-- Run once with psql as a superuser, against the server's database postgres, after bin/migrate."]
    if backup.user != "scizor_backup":
        lines.append(f"GRANT scizor_backup TO {_name(backup.user)};")
    lines += [
        "-- Only if the database has tables of others too: what is not scizor's is read as well, else a backup is refused.",
        f"-- GRANT pg_read_all_data TO {_name(backup.user)};",
        "-- The restore test makes a database, fills it, compares it, and drops it.",
        f"ALTER ROLE {_name(restorer)} CREATEDB;",
        *([f"GRANT {_name(database.owner)} TO {_name(restorer)};"] if restorer != database.owner else []),
        "-- Where the jobs reach the server over TCP, or a socket without peer authentication: a password for each login (\\password),",
        "-- and in pg_hba.conf, above the lines that refuse them, then SELECT pg_reload_conf():",
        f"--   host  {_name(database.name)}  {_name(backup.user)}  ADDRESS/32  scram-sha-256",
        f"--   host  {_name(database.name)},{_name(scratch_name(database.name))},postgres  {_name(restorer)}  ADDRESS/32  scram-sha-256",
        "-- Passwords lie in files of mode 0400: password_file (the dump's) and restore_password_file under [backup].",
        "",
    ]
    return "\n".join(lines)


#: %p is the segment's path, %f its name. A segment that is there already is a success only if it is the same; a copy gets its
#: name when it is whole and on disk. After the PostgreSQL manual, "Setting Up WAL Archiving", with the syncs that it leaves out.
ARCHIVE_COMMAND = (
    'cmp -s "%p" "{to}/%f" || (test ! -e "{to}/%f" && cp "%p" "{to}/.%f.partial" && sync "{to}/.%f.partial" '
    '&& mv "{to}/.%f.partial" "{to}/%f" && sync "{to}")'
)
RESTORE_COMMAND = 'cp "{to}/%f" "%p"'


def wal(config: Config, to: str = "") -> str:
    """postgresql.conf, the base backup, and the way back to an instant."""
    shelf = config.backup_directory()
    to = to or str(shelf / "wal")
    base = f"{shelf}/base"
    return "\n".join([
        "# Base backup and archive of the log: at most five minutes are lost, whatever dies. On a server of your own (not the embedded one).",
        "# The archive must lie on another disk than the server's data. Beside it bin/backup goes on: it alone proves what it wrote.",
        "",
        "# 1. postgresql.conf, then restart the server:",
        "wal_level = replica",
        "archive_mode = on",
        "archive_timeout = 300      # seconds: a segment is handed on at least so often while anything is written",
        f"archive_command = '{ARCHIVE_COMMAND.format(to=to)}'",
        "",
        "# 2. pg_hba.conf, for a login with REPLICATION (CREATE ROLE scizor_base LOGIN REPLICATION):",
        "# local replication scizor_base peer",
        "",
        "# 3. As the server's user, once, then weekly (each takes the whole server; keep two, and the log since the older one):",
        f"# mkdir -p -m 0700 '{to}' '{base}'",
        f"# pg_basebackup -U scizor_base -D '{base}'/$(date +%Y%m%d) --format=plain --wal-method=stream --checkpoint=fast --manifest-checksums=SHA256",
        f"# pg_verifybackup '{base}'/$(date +%Y%m%d)",
        f"# pg_archivecleanup '{to}' OLDEST.backup     # the .backup file of the older base backup that you keep",
        "",
        "# 4. Is it archiving? last_failed_time must be older than last_archived_time:",
        "# SELECT last_archived_wal, last_archived_time, failed_count, last_failed_time FROM pg_stat_archiver;",
        "",
        "# 5. Back to an instant: stop the server, keep its data directory, then as its user:",
        f"# cp -a '{base}'/YYYYMMDD DATA && chmod 0700 DATA && touch DATA/recovery.signal",
        "#    and in DATA/postgresql.auto.conf:",
        f"# restore_command = '{RESTORE_COMMAND.format(to=to)}'",
        "# recovery_target_time = '2025-01-15 06:00:00+00'     # left out: to the end of the archive",
        "# recovery_target_action = 'promote'",
        "#    Segments that the dead server had not handed on lie in its pg_wal: copy those that the archive lacks, before you start.",
        "",
    ])


def _name(name: str) -> str:
    return name if name.replace("_", "a").isalnum() and name.islower() else '"' + name.replace('"', '""') + '"'
