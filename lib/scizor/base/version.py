"""Which code runs, and on which boot of which machine: for the row of a run."""

from __future__ import annotations

from pathlib import Path


def code_version(root: Path) -> str:
    """The commit of the checkout, twelve digits, read from .git without running git; "unknown" where there is none."""
    git = root / ".git"
    try:
        if git.is_file():  # a worktree: the file names the directory
            git = root / git.read_text().split(":", 1)[1].strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        name = head.removeprefix("ref: ")
        for folder in (git, git / (git / "commondir").read_text().strip() if (git / "commondir").exists() else git):
            if (folder / name).exists():
                return (folder / name).read_text().strip()[:12]
            packed = folder / "packed-refs"
            for line in packed.read_text().splitlines() if packed.exists() else ():
                if line.endswith(f" {name}"):
                    return line[:12]
    except (OSError, IndexError, UnicodeDecodeError):
        pass
    return "unknown"


def boot_id() -> str:
    """Of this boot, so that a pid means something; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
