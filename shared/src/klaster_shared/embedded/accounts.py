"""Who PostgreSQL runs as, and where its files can lie so that this account reaches them.

The one rule: **PostgreSQL refuses to run as root, and no permission of a folder that is not ours is widened to please it.** As root its files lie
where an unprivileged account can reach them: in the state directory if every folder on the way lets it pass, else below SYSTEM_STATE.
As anyone else there is nothing to arrange.
"""

import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.supervision import Account

SYSTEM_STATE = Path("/var/lib/klaster")
UNPRIVILEGED = "nobody"


def unprivileged_account(files: Path) -> Account | None:
    """The account for a program that refuses root: the owner of its existing `files`, else nobody. None when we are not root."""
    if os.geteuid() != 0:
        return None
    if files.exists() and files.stat().st_uid != 0:
        return Account(files.stat().st_uid, files.stat().st_gid)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise EngineError(f"PostgreSQL does not run as root, and there is no account {UNPRIVILEGED!r} to run it as.") from None
    return Account(entry.pw_uid, entry.pw_gid)


def reachable(folder: Path, account: Account) -> bool:
    """Whether the account may pass through every folder down to `folder`, this one included."""
    resolved = folder.resolve()
    return all(_may_pass(each.stat(), account) for each in (resolved, *resolved.parents))


def place_for(path: Path, account: Account | None, system_state: Path = SYSTEM_STATE) -> Path:
    """`path` itself, or its stand-in below `system_state` if the account cannot reach its parent. The same path has always the same stand-in."""
    if account is None or reachable(path.parent, account):
        return path
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    return system_state / f"{path.name}-{digest}"


def owned_folder(path: Path, account: Account | None) -> None:
    """Creates a folder, closed to others, that belongs to the account."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(path, account.user, account.group)


def readable_copy(root: Path, trees: Sequence[str], account: Account | None, name: str, system_state: Path = SYSTEM_STATE) -> Path:
    """`root` itself, or a copy `system_state/name` if the account cannot reach its `trees`, relative folders that belong together.

    The copy holds these trees at the same places, is made once and appears whole.
    """
    if account is None or all(reachable(root / tree, account) for tree in trees):
        return root
    copy = system_state / name
    if not copy.exists():
        partial = system_state / f".{name}.{os.getpid()}"
        for tree in trees:
            shutil.copytree(root / tree, partial / tree, symlinks=True)
        try:
            partial.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
            if not copy.exists():
                raise
    return copy


def _may_pass(folder: os.stat_result, account: Account) -> bool:
    if folder.st_uid == account.user:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.group:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)
