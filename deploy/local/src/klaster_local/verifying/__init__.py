"""An independent judge of the guarantees: databases, log and mails against each other, and against a ledger of commands if there is one."""

from klaster_local.verifying.failures import CannotLook
from klaster_local.verifying.findings import Category, Finding, Report
from klaster_local.verifying.mails import MailFolder, MailpitAt
from klaster_local.verifying.verifying import Places, verify

__all__ = ["CannotLook", "Category", "Finding", "MailFolder", "MailpitAt", "Places", "Report", "verify"]
