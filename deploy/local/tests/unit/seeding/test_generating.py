import datetime as dt

import pytest

from klaster_local.seeding.generating import generated_members, generated_memberships, generated_registrations, with_contacts
from klaster_local.seeding.model import Attendance, MembershipsOfMembers, MembersSeed, Role

MEMBERS = MembersSeed.model_validate(
    {
        "draw": 7,
        "name": "Member {number:02}",
        "city": "Kraków",
        "sectors": [
            {"count": 3, "size": "micro", "kinds": ["company"], "groups": ["BioF", "Med"]},
            {"count": 2, "kinds": ["hospital"], "groups": ["Med"]},
        ],
    }
)
PLAN = MembershipsOfMembers.model_validate(
    {
        "draw": 9,
        "network": "KLSK",
        "founders": {"count": 3, "applied_on": "2011-04-01", "admitted": {"tier": "full", "effective_on": "2011-04-01", "decision": "1"}},
        "joiners": {
            "count": 2,
            "applied_between": ["2011-05-01", "2011-06-01"],
            "admitted": {"tier": "associate", "effective_on": "2011-07-01", "decision": "2"},
            "upgraded": {"tier": "full", "effective_on": "2012-01-01", "decision": "3"},
            "contact": {"name": "Office of {organisation}", "email": "office@member-{number:02}.example.org", "roles": ["office"]},
        },
    }
)


def test_members_are_numbered_and_mixed_as_their_sectors_say() -> None:
    members = generated_members(MEMBERS)
    assert [each.name for each in members] == [f"Member {number:02}" for number in range(1, 6)]
    assert sorted((each.kind, each.size) for each in members if each.size) == [("company", "micro")] * 3
    assert all(each.illustrative for each in members)


def test_the_same_draw_gives_the_same_members_and_another_one_others() -> None:
    assert generated_members(MEMBERS) == generated_members(MEMBERS)
    assert generated_members(MEMBERS) != generated_members(MEMBERS.model_copy(update={"draw": 8}))


def test_founders_are_full_from_the_start_and_joiners_become_so() -> None:
    memberships = generated_memberships(generated_members(MEMBERS), PLAN)
    assert [(each.admitted.tier, each.upgraded is not None) for each in memberships] == [("full", False)] * 3 + [("associate", True)] * 2
    assert all(dt.date(2011, 5, 1) <= each.applied_on <= dt.date(2011, 6, 1) for each in memberships[3:])


def test_founders_and_joiners_have_to_be_all_members() -> None:
    with pytest.raises(ValueError, match="3 founders and 2 joiners for 4 members"):
        generated_memberships(generated_members(MEMBERS)[:4], PLAN)


def test_only_joiners_have_a_contact() -> None:
    members = with_contacts(generated_members(MEMBERS), PLAN)
    assert [[contact.email for contact in each.contacts] for each in members[2:]] == [
        [],
        ["office@member-04.example.org"],
        ["office@member-05.example.org"],
    ]


def test_people_register_in_the_order_of_their_numbers_and_always_for_the_same_member() -> None:
    role = Role(key="zin", name="ZIN member {number:02}", email="zin.{number:02}@team.example.org", locales=["pl", "en"], members=True)
    members = generated_members(MEMBERS)
    first = list(generated_registrations([role], [Attendance(event="a", role="zin", first=2, last=4, withdrawn=[3])], members))
    other = list(generated_registrations([role], [Attendance(event="b", role="zin", first=4, last=4)], members))
    assert [(each.name, each.locale, each.withdrawn) for each in first] == [
        ("ZIN member 02", "pl", False),
        ("ZIN member 03", "en", True),
        ("ZIN member 04", "pl", False),
    ]
    assert first[2].organisation == other[0].organisation


def test_a_role_that_is_not_described_is_named() -> None:
    with pytest.raises(ValueError, match="the role guest"):
        list(generated_registrations([], [Attendance(event="a", role="guest", first=1, last=1)], []))
