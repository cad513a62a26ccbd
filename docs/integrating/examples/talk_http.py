# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx>=0.28"]
# ///
"""Commands, versions and lists over HTTP, as a client that may be cut off at any moment.

talk_http.py NAME
"""

import os
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
from httpx import codes

PARTNERS = os.environ.get("KLASTER_PARTNERS_URL", "http://localhost:8101")
EVENTS = os.environ.get("KLASTER_EVENTS_URL", "http://localhost:8102")
TRIES = 20


def post(client: httpx.Client, url: str, body: dict[str, Any]) -> httpx.Response:
    """One effect, however often it takes: the key makes a repetition harmless, so anything doubtful is repeated."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(TRIES):
        try:
            answer = client.post(url, json=body, headers=headers)
        except httpx.TransportError:
            time.sleep(1)
            continue
        in_progress = answer.status_code == codes.CONFLICT and answer.json()["type"] == "/problems/idempotency-key-in-progress"
        if not in_progress and answer.status_code != codes.SERVICE_UNAVAILABLE:
            return answer
        time.sleep(float(answer.headers.get("Retry-After", 1)))
    sys.exit(f"{url} does not answer")


def move(client: httpx.Client, event: str, place: str) -> None:
    """Changes what was read: whoever was faster makes it a 412, and what they wrote is read before it is changed again."""
    while True:
        seen = client.get(event)
        answer = client.patch(event, json={"place": place}, headers={"If-Match": seen.headers["ETag"]})
        if answer.status_code != codes.PRECONDITION_FAILED:
            answer.raise_for_status()
            return


def all_pages(client: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    following: str | None = url
    while following:
        page = client.get(following).raise_for_status()
        yield from page.json()["items"]
        following = str(page.url.join(page.links["next"]["url"])) if "next" in page.links else None


def main(name: str) -> None:
    with httpx.Client(headers={"X-Klaster-Actor": "example"}) as client:
        host = post(client, f"{PARTNERS}/v1/organisations", {"name": name, "kind": "university", "country": "EE"}).json()
        draft = {
            "title": {"pl": "Wizyta studyjna", "en": "Study visit"},
            "kind": "study_visit",
            "public": False,
            "host_organisation_id": host["id"],
            "place": "Tartu",
            "country": "EE",
            "starts_at": "2012-03-05T09:00:00+02:00",
            "ends_at": "2012-03-07T16:00:00+02:00",
            "time_zone": "Europe/Tallinn",
            "capacity": 12,
        }
        made = post(client, f"{EVENTS}/v1/events", draft)
        event = f"{EVENTS}{made.headers['Location']}"
        move(client, event, "Tartu, Biopark")
        refused = post(client, f"{event}/approve", {})
        problem = refused.json()
        print(f"{refused.status_code} {problem['type']}: {problem['detail']}")
        drafts = sum(each["host_organisation_id"] == host["id"] for each in all_pages(client, f"{EVENTS}/v1/events?status=draft&limit=50"))
        print(f"{name} has {drafts} draft, in {client.get(event).json()['place']}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name]:
            main(name)
        case _:
            sys.exit(__doc__)
