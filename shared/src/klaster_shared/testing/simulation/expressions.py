"""SQLAlchemy Core expressions as Python functions.

The one rule: what is not known is refused (`NotSimulated`) when the statement is prepared, never guessed. Comparisons with NULL are
NULL, and a WHERE keeps only what is true.
"""

import operator
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Column, ColumnElement, Select, false
from sqlalchemy.sql import functions, operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BooleanClauseList,
    Case,
    Cast,
    ColumnClause,
    ExpressionClauseList,
    False_,
    Grouping,
    Label,
    Null,
    True_,
    UnaryExpression,
)
from sqlalchemy.sql.selectable import Exists, FromClause, ScalarSelect

from klaster_shared.testing.simulation.storage import Transaction, Values

if TYPE_CHECKING:
    from klaster_shared.testing.simulation.queries import Query


class NotSimulated(NotImplementedError):
    """A statement uses what the simulated database does not know; it has to be taught, and compared with the real one."""


class Scope:
    """What an expression is evaluated in: the statement's arguments and, for each FROM element, the row it stands at."""

    __slots__ = ("arguments", "rows", "snapshot", "store", "transaction")

    def __init__(self, arguments: Values, transaction: Transaction, store: Any, rows: dict[FromClause, Values]) -> None:
        self.arguments = arguments
        self.transaction = transaction
        self.store = store
        self.snapshot: int = store.commits
        self.rows = rows

    def at(self, source: FromClause, values: Values) -> "Scope":
        moved = Scope.__new__(Scope)
        moved.arguments, moved.transaction, moved.store, moved.snapshot = self.arguments, self.transaction, self.store, self.snapshot
        moved.rows = {**self.rows, source: values}
        return moved


type Evaluate = Callable[[Scope], Any]

_COMPARISONS: dict[Any, Callable[[Any, Any], Any]] = {
    operators.eq: operator.eq,
    operators.ne: operator.ne,
    operators.lt: operator.lt,
    operators.le: operator.le,
    operators.gt: operator.gt,
    operators.ge: operator.ge,
    operators.add: operator.add,
    operators.sub: operator.sub,
    operators.mul: operator.mul,
}


def stored(value: Any) -> Any:
    """As it comes back from the database."""
    return value.value if isinstance(value, Enum) else value


class Preparation:
    """Prepares expressions of one statement. `outer`: FROM elements of the statements around it."""

    def __init__(self, query: Callable[[Any, frozenset[FromClause]], "Query"], outer: frozenset[FromClause]) -> None:
        self._query = query
        self._outer = outer

    def within(self, sources: frozenset[FromClause]) -> "Preparation":
        return Preparation(self._query, self._outer | sources)

    def __call__(self, element: Any) -> Evaluate:
        for kind, prepare in self._kinds():
            if isinstance(element, kind):
                return prepare(element)
        raise NotSimulated(f"{type(element).__name__}: {element}")

    def _kinds(self) -> Iterator[tuple[Any, Callable[[Any], Evaluate]]]:
        yield BindParameter, self._bind
        yield Exists, self._exists
        yield ScalarSelect, self._scalar
        yield Cast, lambda e: self(e.clause)
        yield (Grouping, Label), lambda e: self(e.element)
        yield functions.FunctionElement, self._function
        yield BinaryExpression, self._binary
        yield (BooleanClauseList, ExpressionClauseList), self._list
        yield UnaryExpression, self._unary
        yield Case, self._case
        yield Null, lambda _: lambda _: None
        yield True_, lambda _: lambda _: True
        yield False_, lambda _: lambda _: False
        yield (Column, ColumnClause), self._column

    def _bind(self, bind: BindParameter[Any]) -> Evaluate:
        name, value = bind.key, bind.value
        if bind.required:
            return lambda scope: scope.arguments[name]
        if callable(getattr(bind, "callable", None)):
            raise NotSimulated(f"a computed parameter: {name}")
        fixed = [stored(v) for v in value] if isinstance(value, (list, tuple)) else stored(value)
        return lambda _: fixed

    def _column(self, column: Any) -> Evaluate:
        source, name = column.table, column.key
        if source is None:
            raise NotSimulated(f"a column of no table: {column}")
        return lambda scope: scope.rows[source][name]

    def _exists(self, exists: Exists) -> Evaluate:
        inner: Any = exists.element
        while not isinstance(inner, Select):
            inner = inner.element
        query = self._query(inner, self._outer)
        return lambda scope: next(query.matches(scope), None) is not None

    def _scalar(self, scalar: ScalarSelect[Any]) -> Evaluate:
        query = self._query(scalar.element, self._outer)

        def evaluate(scope: Scope) -> Any:
            rows = query.answer(scope, query.matched(scope))
            return next(iter(rows[0].values())) if rows else None

        return evaluate

    def _function(self, function: Any) -> Evaluate:
        arguments = [self(clause) for clause in function.clauses]
        name = function.name.lower()
        if name == "pg_current_xact_id":
            return lambda scope: scope.transaction.need_number()
        if name == "coalesce":
            return lambda scope: next((v for a in arguments if (v := a(scope)) is not None), None)
        if name in {"greatest", "least"}:
            choose = max if name == "greatest" else min
            return lambda scope: choose((v for a in arguments if (v := a(scope)) is not None), default=None)
        raise NotSimulated(f"function {name}")

    def _binary(self, expression: BinaryExpression[Any]) -> Evaluate:
        left, right, operation = self(expression.left), expression.right, expression.operator
        if isinstance(right, functions.FunctionElement) and right.name.lower() == "any":
            (array,) = [self(clause) for clause in right.clauses]
            return lambda scope: left(scope) in array(scope)
        if operation in {operators.is_, operators.is_not}:
            wanted, negated = self(right), operation is operators.is_not
            return lambda scope: (left(scope) is wanted(scope)) is not negated
        if operation in {operators.in_op, operators.not_in_op}:
            among, outside = self(right), operation is operators.not_in_op
            return lambda scope: (left(scope) in among(scope)) is not outside
        compare = _COMPARISONS.get(operation)
        if compare is None:
            raise NotSimulated(f"operator {operation} in {expression}")
        other = self(right)

        def evaluate(scope: Scope) -> Any:
            a, b = left(scope), other(scope)
            return None if a is None or b is None else compare(a, b)

        return evaluate

    def _list(self, listed: Any) -> Evaluate:
        parts = [self(clause) for clause in listed.clauses]
        if listed.operator is operators.and_:
            return lambda scope: _all(part(scope) for part in parts)
        if listed.operator is operators.or_:
            return lambda scope: _any(part(scope) for part in parts)
        if len(parts) == 1:
            return parts[0]
        if listed.operator in _COMPARISONS and len(parts) > 1:
            compare = _COMPARISONS[listed.operator]

            def fold(scope: Scope) -> Any:
                total = parts[0](scope)
                for part in parts[1:]:
                    value = part(scope)
                    total = None if total is None or value is None else compare(total, value)
                return total

            return fold
        raise NotSimulated(f"{listed.operator} in {listed}")

    def _unary(self, expression: UnaryExpression[Any]) -> Evaluate:
        inner = self(expression.element)
        if expression.operator is operators.is_true:
            return inner
        if expression.operator in {operators.inv, operators.is_false}:
            return lambda scope: None if (value := inner(scope)) is None else not value
        raise NotSimulated(f"{expression.operator} in {expression}")

    def _case(self, case: Case[Any]) -> Evaluate:
        if case.value is not None:
            raise NotSimulated(f"{case}")
        branches = [(self(when), self(then)) for when, then in case.whens]
        otherwise = self(case.else_) if case.else_ is not None else lambda _: None
        return lambda scope: next((then(scope) for when, then in branches if when(scope) is True), otherwise(scope))


def _all(values: Iterator[Any]) -> bool | None:
    unknown = False
    for value in values:
        if value is None:
            unknown = True
        elif not value:
            return False
    return None if unknown else True


def _any(values: Iterator[Any]) -> bool | None:
    unknown = False
    for value in values:
        if value is None:
            unknown = True
        elif value:
            return True
    return None if unknown else False


def default_of(column: Column[Any]) -> Any:
    """What the server fills in; None: nothing."""
    if column.server_default is None or column.identity is not None:
        return None
    given: Any = getattr(column.server_default, "arg", None)
    if isinstance(given, ColumnElement):
        return not isinstance(given, type(false()))
    return column.type.python_type(given)
