"""The parts of the seed that are drawn instead of written: members, their memberships, and who registers.

The one rule: the same files give the same project, on every machine and in every year, because what is drawn is looked up again by its name.
Therefore each drawing has a generator of its own, with the seed from its file, and nothing else draws from it.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

from klaster_local.seeding.model import (
    Attendance,
    ContactSeed,
    MembershipSeed,
    MembershipsOfMembers,
    MembersSeed,
    OrganisationSeed,
    RegistrationSeed,
    Role,
)
from klaster_shared.contracts.bodies import Locale

COUNTRY = "PL"


def generated_members(members: MembersSeed) -> list[OrganisationSeed]:
    """Numbered from 1; a member's key is its name. Sectors are shuffled, so that sizes and kinds do not follow the numbers."""
    draw = random.Random(members.draw)  # noqa: S311 - examples, not secrets
    sectors = [sector for sector in members.sectors for _ in range(sector.count)]
    draw.shuffle(sectors)
    return [
        OrganisationSeed(
            key=(name := members.name.format(number=number)),
            name=name,
            kind=draw.choice(sector.kinds),
            country=COUNTRY,
            city=members.city,
            helix=draw.choice(sector.groups),
            size=sector.size,
            illustrative=True,
        )
        for number, sector in enumerate(sectors, start=1)
    ]


def with_contacts(members: Sequence[OrganisationSeed], plan: MembershipsOfMembers) -> list[OrganisationSeed]:
    """The members, those who joined later with the contact that the plan gives them."""
    draw = random.Random(plan.draw)  # noqa: S311 - examples, not secrets
    locales: tuple[Locale, ...] = ("pl", "en")
    pattern, first_joiner = plan.joiners.contact, len(members) - plan.joiners.count
    return [
        member
        if number <= first_joiner
        else member.model_copy(
            update={
                "contacts": [
                    ContactSeed(
                        name=pattern.name.format(organisation=member.name, number=number),
                        email=pattern.email.format(organisation=member.name, number=number),
                        locale=draw.choice(locales),
                        roles=pattern.roles,
                        illustrative=True,
                    )
                ]
            }
        )
        for number, member in enumerate(members, start=1)
    ]


def generated_memberships(members: Sequence[OrganisationSeed], plan: MembershipsOfMembers) -> list[MembershipSeed]:
    """Founders first, joiners last. Raises ValueError when their numbers do not add up to the members."""
    founders, joiners = plan.founders, plan.joiners
    if founders.count + joiners.count != len(members):
        raise ValueError(f"memberships.yaml has {founders.count} founders and {joiners.count} joiners for {len(members)} members")
    draw = random.Random(plan.draw)  # noqa: S311 - examples, not secrets
    earliest, latest = joiners.applied_between
    days = sorted(draw.randint(0, (latest - earliest).days) for _ in range(joiners.count))
    found = [
        MembershipSeed(organisation=member.key, network=plan.network, applied_on=founders.applied_on, admitted=founders.admitted, illustrative=True)
        for member in members[: founders.count]
    ]
    joined = [
        MembershipSeed(
            organisation=member.key,
            network=plan.network,
            applied_on=earliest + timedelta(days=day),
            admitted=joiners.admitted,
            upgraded=joiners.upgraded,
            illustrative=True,
        )
        for member, day in zip(members[founders.count :], days, strict=True)
    ]
    return found + joined


def generated_registrations(
    roles: Sequence[Role], attendances: Sequence[Attendance], members: Sequence[OrganisationSeed]
) -> Iterator[RegistrationSeed]:
    """In the order in which people register. Raises ValueError for a role that is not described."""
    known = {role.key: role for role in roles}
    for attendance in attendances:
        role = known.get(attendance.role)
        if role is None:
            raise ValueError(f"registrations.yaml names the role {attendance.role}, which it does not describe")
        for number in range(attendance.first, attendance.last + 1):
            yield RegistrationSeed(
                event=attendance.event,
                name=role.name.format(number=number),
                email=role.email.format(number=number),
                locale=role.locales[number % len(role.locales)],
                organisation=members[number * len(role.key) % len(members)].key if role.members else None,
                withdrawn=number in attendance.withdrawn,
                illustrative=True,
            )
