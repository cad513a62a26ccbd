"""What the peers are asked to do: for each order, one row per consumer, in the order of each customer's orders.

A table and a message, as small as they can be: whatever goes wrong is not their fault. Everything follows the examples of the SQLAlchemy and
FastStream documentations, with the ORM.
"""

from pydantic import BaseModel
from sqlalchemy import BigInteger, Identity, MetaData, Text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData()


class Order(BaseModel):
    """The message. `number` counts the customer's orders; a `bad` one cannot be handled before the fix."""

    customer: str
    number: int
    bad: bool = False


class Base(DeclarativeBase):
    metadata = metadata


class PlacedOrder(Base):
    """The producing side's own row."""

    __tablename__ = "placed_order"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    customer: Mapped[str] = mapped_column(Text)
    number: Mapped[int]


class Effect(Base):
    """What an order comes to at the consumer; `id` grows in the order of effects."""

    __tablename__ = "effect"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    customer: Mapped[str] = mapped_column(Text)
    number: Mapped[int]


class CannotBeHandled(Exception):
    """What a bad order meets until the program is mended."""


async def create_tables(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


def engine_for(url: str) -> AsyncEngine:
    return create_async_engine(url)
