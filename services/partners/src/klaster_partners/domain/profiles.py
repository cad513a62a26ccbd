"""How the cluster describes an organisation: what it is, where it is, to which working group and size class it belongs."""

from dataclasses import dataclass
from enum import StrEnum

from klaster_shared.countries import Country


class OrganisationKind(StrEnum):
    COMPANY = "company"
    UNIVERSITY = "university"
    RESEARCH_INSTITUTE = "research_institute"
    HOSPITAL = "hospital"
    PUBLIC_AUTHORITY = "public_authority"
    BUSINESS_SUPPORT = "business_support"
    CLUSTER = "cluster"
    NETWORK = "network"
    OTHER = "other"


class Helix(StrEnum):
    """The working groups by which the cluster classifies its members."""

    BIOF = "BioF"
    RESEARCH = "R&D"
    EDUCATION = "Edu"
    MEDICINE = "Med"
    BUSINESS = "Biz"
    GOVERNMENT = "Gov"


class Size(StrEnum):
    """The classes of Commission Recommendation 2003/361/EC, and `large` for what is above them."""

    MICRO = "micro"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    name: str
    short_name: str | None = None
    kind: OrganisationKind
    country: Country
    city: str | None = None
    helix: Helix | None = None
    size: Size | None = None
