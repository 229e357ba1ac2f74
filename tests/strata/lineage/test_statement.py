"""Column lineage of single statements, worked out by hand."""

import pytest

from strata.lineage.origin import Kind, LineageError, Relation
from strata.lineage.statement import relation_of, table

TABLES = {"t": ["a", "b", "c"], "u": ["a", "k", "v"], "s": ["name", "x", "y"]}


def catalog(name: str) -> Relation:
    if name not in TABLES:
        raise LineageError(f"there is no {name}")
    return table(name, TABLES[name])


def read(sql: str) -> dict[str, dict[str, str]]:
    """Per column: what carries its value."""
    arm = relation_of(sql, catalog).whole()
    return {
        name: {str(ref): kind.name.lower() for ref, kind in origin.items() if kind}
        for name, origin in arm.columns.items()
    }


def decides(sql: str, column: str) -> set[str]:
    """What decides a column without reaching it, its rows included."""
    arm = relation_of(sql, catalog).whole()
    return {
        str(ref) for origin in (arm.columns[column], arm.rows) for ref, kind in origin.items() if kind is Kind.CONDITION
    }


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select a, b + c as d from t", {"a": {"t.a": "copy"}, "d": {"t.b": "compute", "t.c": "compute"}}),
        ("select cast(a as varchar) as a from t", {"a": {"t.a": "copy"}}),
        ("select * exclude (b) from t", {"a": {"t.a": "copy"}, "c": {"t.c": "copy"}}),
        ("select * replace (a + 1 as a) from t", {"a": {"t.a": "compute"}, "b": {"t.b": "copy"}, "c": {"t.c": "copy"}}),
        (
            "select y.* from t as x cross join u as y",
            {"a": {"u.a": "copy"}, "k": {"u.k": "copy"}, "v": {"u.v": "copy"}},
        ),
        ("with x as (select a as q from t) select q from x", {"q": {"t.a": "copy"}}),
        ("with x(q) as (select a from t) select q from x", {"q": {"t.a": "copy"}}),
        ("select sum(a) as n from t group by b", {"n": {"t.a": "aggregate"}}),
        ("select count(*) as n from t", {"n": {"t.*": "aggregate"}}),
        ("select count(*) as n from t inner join u on t.a = u.a", {"n": {"t.*": "aggregate"}}),
        ("select case when a > 0 then b else c end as d from t", {"d": {"t.b": "compute", "t.c": "compute"}}),
        ("select a as p from t union all select v from u", {"p": {"t.a": "copy", "u.v": "copy"}}),
        (
            "select a, b from t union all by name select v as b, a from u",
            {"a": {"t.a": "copy", "u.a": "copy"}, "b": {"t.b": "copy", "u.v": "copy"}},
        ),
        ("select lag(a) over (partition by b order by c) as p from t", {"p": {"t.a": "compute"}}),
        ("select max(a) over w as p from t window w as (partition by b)", {"p": {"t.a": "aggregate"}}),
        ("select (select max(v) from u where u.k = t.a) as p from t", {"p": {"u.v": "aggregate"}}),
        ("select a as p, p + 1 as q from t", {"p": {"t.a": "copy"}, "q": {"t.a": "compute"}}),
        ("select getvariable('cycle') as p from t", {"p": {"run.cycle": "copy"}}),
        (
            "with x as (select unnest([{'k': '1', 'v': a}, {'k': '2', 'v': b}]) as f from t) select f.k, f.v from x",
            {"k": {}, "v": {"t.a": "copy", "t.b": "copy"}},
        ),
        ("select struct_pack(p := a).p as q, 1 as r from t", {"q": {"t.a": "compute"}, "r": {}}),
        (
            "with x as (select last_value(case when b then null else {'v': a, 'w': c} end ignore nulls) over () as s "
            "from t) select s.v as p from x",
            {"p": {"t.a": "compute"}},
        ),
        ("select * from t semi join u using (a)", {"a": {"t.a": "copy"}, "b": {"t.b": "copy"}, "c": {"t.c": "copy"}}),
        (
            "select t.a from t asof left join u on t.b = u.k and t.c >= u.v",
            {"a": {"t.a": "copy"}},
        ),
        ("create temp table z as select a from t", {"a": {"t.a": "copy"}}),
        ("select coalesce(t.a, u.v) as p from t left join u on t.b = u.k", {"p": {"t.a": "compute", "u.v": "compute"}}),
        ("select a from t inner join u using (a)", {"a": {"t.a": "copy", "u.a": "copy"}}),
    ],
)
def test_values(sql: str, expected: dict[str, dict[str, str]]) -> None:
    assert read(sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select a as p from t where b > 1", {"t.b"}),
        ("select t.a as p from t inner join u on t.b = u.k", {"t.b", "u.k"}),
        ("select sum(a) as p from t group by b having max(c) > 1", {"t.b", "t.c"}),
        ("select b, sum(a) as p from t group by all", {"t.b"}),
        ("select sum(a) filter (where c > 0) as p from t", {"t.c"}),
        ("select case when b then a end as p from t", {"t.b"}),
        ("select lag(a) over (partition by b order by c) as p from t", {"t.b", "t.c"}),
        ("select a as p from t where exists (select 1 from u where u.k = t.b)", {"t.b", "u.k", "u.*"}),
        ("select a as p from t where b in (select v from u)", {"t.b", "u.v"}),
        # Repetitions are dropped, no content: only the order decides what is a repetition.
        ("select a as p from t qualify lag(a) over (partition by b order by c) is distinct from a", {"t.b", "t.c"}),
        ("select b as p from t anti join u using (a)", {"t.a", "u.a"}),
        ("select a as p from t order by b", set()),
        ("select a as p from t order by b limit 1", {"t.b"}),
    ],
)
def test_conditions(sql: str, expected: set[str]) -> None:
    assert decides(sql, "p") == expected


def test_a_branch_that_its_filter_rules_out_is_no_source() -> None:
    union = "select 'one' as feed, a from t union all select 'two' as feed, v as a from u"
    assert read(f"with x as ({union}) select a from x where feed = 'two'") == {"a": {"u.v": "copy"}}
    assert read(f"with x as ({union}) select a from x where feed in ('one')") == {"a": {"t.a": "copy"}}
    assert read(f"with x as ({union}) select sum(a) as a from x where feed <> 'one'") == {"a": {"u.v": "aggregate"}}
    assert read(f"with x as ({union}) select a from x where feed = 'two' or a > 1") == {
        "a": {"t.a": "copy", "u.v": "copy"}
    }


def test_a_window_sees_rows_of_every_branch() -> None:
    union = "select 'one' as feed, a from t union all select 'two' as feed, v as a from u"
    found = read(f"with x as ({union}) select * from (select feed, lead(a) over () as n from x) where feed = 'one'")
    assert found["n"] == {"t.a": "compute", "u.v": "compute"}


def test_whether_a_joined_row_is_there_comes_from_what_it_is_joined_by_and_filtered_by() -> None:
    sql = "with x as (select k from u where v > 1) select x.k is not null as p from t left join x on t.a = x.k"
    assert read(sql) == {"p": {"u.k": "compute", "u.v": "compute"}}


@pytest.mark.parametrize("sql", ["select d from t", "select t.d from t", "select x.a from t", "select a from nowhere"])
def test_what_is_not_there_is_an_error_and_no_empty_lineage(sql: str) -> None:
    with pytest.raises(LineageError):
        relation_of(sql, catalog)


def test_of_several_statements_the_one_that_makes_the_table_counts() -> None:
    sql = "create temp macro f(x) as x + 1; create temp table y as select f(a) as p from t; select b as p from t"
    assert relation_of(sql, catalog, "y").whole().columns == {"p": {("t", "a"): Kind.COMPUTE}}
    assert relation_of(sql, catalog).whole().columns == {"p": {("t", "b"): Kind.COPY}}


def test_text_that_is_no_sql_is_an_error() -> None:
    with pytest.raises(LineageError, match="does not parse"):
        relation_of("select from where", catalog)
