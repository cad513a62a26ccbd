"""The routes: parse, call, translate."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from klaster_budget.api.dependencies import Asked, Work
from klaster_budget.api.schemas import CommitmentOut, ExpenditureIn, ExpenditureOut, GrantIn, GrantOut, RateIn, RateOut
from klaster_budget.application.declare_expenditure import declare_expenditure
from klaster_budget.application.queries import Concerning, GrantAccount
from klaster_budget.application.register_grant import register_grant
from klaster_budget.application.register_rate import register_rate
from klaster_budget.domain.ids import CommitmentId, EventId, ExpenditureId, GrantId, RateId
from klaster_shared.web.commands import CommandRoute
from klaster_shared.web.etags import created, tag_response
from klaster_shared.web.pagination import Page, PageOf

RATE_VERSION: Final = 1
"""A rate never changes."""

router = APIRouter(prefix="/v1", route_class=CommandRoute)


@router.post("/grants", status_code=201, tags=["grants"])
async def register(body: GrantIn, work: Work, response: Response) -> GrantOut:
    grant = await register_grant(body.command(), work)
    created(response, f"/v1/grants/{grant.id}", grant.version)
    return GrantOut.of(GrantAccount.untouched(grant))


@router.get("/grants", tags=["grants"])
async def list_grants(asked: Asked, paging: PageOf) -> Page[GrantOut]:
    found = await asked.grants(after=paging.after, rows=paging.rows)
    return paging.page([GrantOut.of(account) for account in found])


@router.get("/grants/{grant_id}", tags=["grants"])
async def get_grant(grant_id: GrantId, asked: Asked, response: Response) -> GrantOut:
    """The ETag is that of the definition; balances move under it."""
    account = await asked.grant(grant_id)
    tag_response(response, account.grant.version)
    return GrantOut.of(account)


@router.get("/commitments", tags=["commitments"])
async def list_commitments(asked: Asked, paging: PageOf, event_id: UUID | None = None, grant_id: UUID | None = None) -> Page[CommitmentOut]:
    found = await asked.commitments(_concerning(event_id, grant_id), after=paging.after, rows=paging.rows)
    return paging.page([CommitmentOut.of(commitment) for commitment in found])


@router.get("/commitments/{commitment_id}", tags=["commitments"])
async def get_commitment(commitment_id: CommitmentId, asked: Asked, response: Response) -> CommitmentOut:
    commitment = await asked.commitment(commitment_id)
    tag_response(response, commitment.version)
    return CommitmentOut.of(commitment)


@router.post("/rates", status_code=201, tags=["rates"])
async def register_a_rate(body: RateIn, work: Work, response: Response) -> RateOut:
    rate = await register_rate(body.command(), work)
    created(response, f"/v1/rates/{rate.id}", RATE_VERSION)
    return RateOut.of(rate)


@router.get("/rates", tags=["rates"])
async def list_rates(asked: Asked, paging: PageOf) -> Page[RateOut]:
    found = await asked.rates(after=paging.after, rows=paging.rows)
    return paging.page([RateOut.of(rate) for rate in found])


@router.get("/rates/{rate_id}", tags=["rates"])
async def get_rate(rate_id: RateId, asked: Asked, response: Response) -> RateOut:
    rate = await asked.rate(rate_id)
    tag_response(response, RATE_VERSION)
    return RateOut.of(rate)


@router.post("/expenditures", status_code=201, tags=["expenditures"])
async def declare(body: ExpenditureIn, work: Work, response: Response) -> ExpenditureOut:
    expenditure = await declare_expenditure(body.command(), work)
    created(response, f"/v1/expenditures/{expenditure.id}", expenditure.version)
    return ExpenditureOut.of(expenditure)


@router.get("/expenditures", tags=["expenditures"])
async def list_expenditures(asked: Asked, paging: PageOf, event_id: UUID | None = None, grant_id: UUID | None = None) -> Page[ExpenditureOut]:
    found = await asked.expenditures(_concerning(event_id, grant_id), after=paging.after, rows=paging.rows)
    return paging.page([ExpenditureOut.of(expenditure) for expenditure in found])


@router.get("/expenditures/{expenditure_id}", tags=["expenditures"])
async def get_expenditure(expenditure_id: ExpenditureId, asked: Asked, response: Response) -> ExpenditureOut:
    expenditure = await asked.expenditure(expenditure_id)
    tag_response(response, expenditure.version)
    return ExpenditureOut.of(expenditure)


def _concerning(event: UUID | None, grant: UUID | None) -> Concerning:
    return Concerning(event=EventId(event) if event else None, grant=GrantId(grant) if grant else None)
