"""One worked example of every message, for people who read the contracts: the project that Klaster was made for.

The one rule: a field has the same example wherever it appears, so that examples of different messages tell one story. Persons are
roles, sums and dates of single events are illustrative.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from klaster_shared.contracts.registry import MessageType

_PLN_4800: Final[JsonValue] = {"amount": "4800.00", "currency": "PLN"}
_TITLE: Final[JsonValue] = {
    "pl": "Innowacyjność i współpraca w międzynarodowych sieciach kooperacji",
    "en": "Innovativeness and cooperation within international cooperation networks",
}
_RATE: Final[JsonValue] = {"value": "4.3567", "source": "NBP", "date": "2011-10-06"}
_COSTS: Final[JsonValue] = [{"line_code": "WORKSHOPS", "amount": _PLN_4800}]
_SHORTFALLS: Final[JsonValue] = [{"line_code": "WORKSHOPS", "short_by": {"amount": "650.50", "currency": "PLN"}}]

_BY_FIELD: Final[Mapping[str, JsonValue]] = {
    "organisation_id": "0199f0a0-4c00-7a10-8000-000000000001",
    "host_organisation_id": "0199f0a0-4c00-7a10-8000-000000000001",
    "contact_id": "0199f0a0-4c00-7a10-8000-000000000002",
    "network_id": "0199f0a0-4c00-7a10-8000-000000000003",
    "membership_id": "0199f0a0-4c00-7a10-8000-000000000004",
    "event_id": "0199f0a0-4c00-7a10-8000-000000000005",
    "approval_id": "0199f0a0-4c00-7a10-8000-000000000006",
    "registration_id": "0199f0a0-4c00-7a10-8000-000000000007",
    "grant_id": "0199f0a0-4c00-7a10-8000-000000000008",
    "commitment_id": "0199f0a0-4c00-7a10-8000-000000000009",
    "expenditure_id": "0199f0a0-4c00-7a10-8000-00000000000a",
    "delivery_id": "0199f0a0-4c00-7a10-8000-00000000000b",
    "cause_id": "0199f0a0-4c00-7a10-8000-00000000000c",
    "recipient_id": "0199f0a0-4c00-7a10-8000-000000000002",
    "recipient_kind": "contact",
    "channel": "email",
    "rule": "membership-upgraded",
    "template": "membership_upgraded",
    "template_version": "0123456789ab",
    "name": "ZIN member 01",
    "email": "zin.member.01@example.org",
    "locale": "pl",
    "roles": ["event_manager"],
    "country": "PL",
    "helix": "Biz",
    "size": "medium",
    "applied_on": "2011-05-10",
    "from_tier": "associate",
    "tier": "full",
    "effective_on": "2012-01-01",
    "decision": "Resolution 3/2011",
    "organisation_name": "Jagiellońskie Centrum Innowacji",
    "network_code": "SCANBALT",
    "network_name": "ScanBalt",
    "title": _TITLE,
    "kind": "workshop",
    "public": True,
    "starts_at": "2011-10-06T07:00:00Z",
    "ends_at": "2011-10-06T14:00:00Z",
    "time_zone": "Europe/Warsaw",
    "place": "Kraków",
    "capacity": 40,
    "costs": _COSTS,
    "deadline": "2011-09-02T10:00:00Z",
    "event": {
        "title": _TITLE,
        "starts_at": "2011-10-06T07:00:00Z",
        "ends_at": "2011-10-06T14:00:00Z",
        "time_zone": "Europe/Warsaw",
        "place": "Kraków",
        "sequence": 4,
    },
    "from_waitlist": False,
    "position": 2,
    "was": "confirmed",
    "code": "MRPO-8.2",
    "funder": "Małopolski Regionalny Program Operacyjny 2007-2013",
    "total": {"amount": "1087398.00", "currency": "PLN"},
    "starts_on": "2011-04-01",
    "ends_on": "2012-12-31",
    "lines": _COSTS,
    "open": _COSTS,
    "line_code": "WORKSHOPS",
    "short_by": {"amount": "650.50", "currency": "PLN"},
    "shortfalls": _SHORTFALLS,
    "document": {"number": "FV 117/10/2011", "issued_on": "2011-10-06", "issuer": "Genopole", "issuer_nip": None},
    "amount": {"amount": "1101.75", "currency": "EUR"},
    "rate": _RATE,
    "amount_in_grant_currency": {"amount": "4799.99", "currency": "PLN"},
    "consumed_from_commitment": {"amount": "4799.99", "currency": "PLN"},
    "invoice_number": "FV 117/10/2011",
    "issuer": "Genopole",
    "issuer_nip": None,
    "issued_on": "2011-10-06",
    "grant_code": "MRPO-8.2",
}
_BY_MESSAGE_AND_FIELD: Final[Mapping[tuple[str, str], JsonValue]] = {
    ("OrganisationRegistered", "name"): "Jagiellońskie Centrum Innowacji",
    ("OrganisationRegistered", "kind"): "business_support",
    ("NetworkRegistered", "code"): "SCANBALT",
    ("NetworkRegistered", "name"): "ScanBalt",
    ("MembershipAdmitted", "from_tier"): None,
    ("MembershipAdmitted", "tier"): "associate",
    ("MembershipAdmitted", "effective_on"): "2011-06-01",
    ("MembershipAdmitted", "decision"): "Resolution 1/2011",
    ("EventReturnedToDraft", "reason"): "refused",
    ("EventReturnedToDraft", "refusal"): {
        "reason": "insufficient",
        "line_code": "WORKSHOPS",
        "short_by": {"amount": "650.50", "currency": "PLN"},
        "shortfalls": _SHORTFALLS,
    },
    ("EventCancelled", "reason"): "The speakers cannot come.",
    ("RegistrationCancelled", "reason"): "The speakers cannot come.",
    ("GrantRegistered", "name"): "Klaster LifeScience Kraków: budowanie zdolności kooperacji w ramach sieci współpracy bio-regionów Europy",
    ("BudgetApproved", "lines"): [
        {"code": "WORKSHOPS", "name": "Expert workshops", "category": "external", "planned": {"amount": "120000.00", "currency": "PLN"}},
    ],
    ("CommitmentRefused", "reason"): "insufficient",
    ("DeliveryFailed", "reason"): "smtp-550",
    ("DeliverySuppressed", "reason"): "invalid-address",
}


def example_of(kind: MessageType) -> dict[str, JsonValue]:
    """A valid body with every field filled in. Raises KeyError for a field that nobody gave an example."""
    return {name: _example(kind.name, name) for name in kind.model.model_fields}


def _example(message: str, field: str) -> JsonValue:
    own = (message, field)
    return _BY_MESSAGE_AND_FIELD[own] if own in _BY_MESSAGE_AND_FIELD else _BY_FIELD[field]
