"""No exported text runs in a spreadsheet, and nothing else is changed."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.serving.neutral import neutralised

FORMULA = st.from_regex(r"\A[ \t]*[=+@\-＝＋－＠].{0,4}")


@pytest.mark.capability("2.8", part="no exported text begins like a formula")
@settings(max_examples=200)
@given(text=st.lists(st.one_of(st.none(), st.text(max_size=6), FORMULA), max_size=8))
def test_no_text_begins_like_a_formula(text: list[str | None]) -> None:
    found, cells = neutralised(pa.table({"a": pa.array(text, pa.string()), "n": [-1.5] * len(text)}))
    after = found["a"].to_pylist()
    for one, shown in zip(text, after, strict=True):
        assert shown in (one, None if one is None else "'" + one)
        if shown:
            assert shown[0] not in "=+-@\t\r\n" and (shown.strip() or "x")[0] not in "=+-@＝＋－＠"
    assert found["n"].to_pylist() == [-1.5] * len(text)
    assert cells.get("a", 0) == sum(one != shown for one, shown in zip(text, after, strict=True))
