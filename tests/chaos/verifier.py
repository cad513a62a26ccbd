"""The judge of the chaos suite: the same that `klaster verify` asks, on a system that has settled, with the ledger of what was asked of it."""

from collections.abc import Mapping
from pathlib import Path

from klaster_local.verifying import MailFolder, Places, Report
from klaster_local.verifying import verify as look


async def verify(ledger: Path, databases: Mapping[str, str], kafka_servers: str, mails: Path | None) -> Report:
    """`databases`: service → URL. `mails`: the sink's folder, in which other suites may have mails, too. Nothing may wait any more."""
    sink = None if mails is None else MailFolder(mails, shared=True)
    return await look(Places(databases=databases, kafka_servers=kafka_servers, mails=sink), ledger=ledger, waiting=0.0)
