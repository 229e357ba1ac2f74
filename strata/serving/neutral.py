"""Text that no spreadsheet takes for a formula (OWASP ASVS 1.2.10, CWE-1236).

Belongs here: neutralising text columns for CSV. Does not: Parquet, which runs nothing and stays verbatim.
"""

import pyarrow as pa
import pyarrow.compute as pc

# First characters that start a formula, also behind blanks, and their full-width twins.
_FORMULA = r"^(?:[\t\r\n]|[\s\pZ\pC]*[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"


def neutralised(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    r"""The table with `'` before every text that a spreadsheet would run, and how many cells that is per column.

    Numbers and dates are left as they are.

    Examples:
        >>> table, cells = neutralised(pa.table({"a": ["=1+1", " @SUM(A1)", "bolt", "\t5"], "b": [-1, 2, 3, 4]}))
        >>> table["a"].to_pylist(), cells
        (["'=1+1", "' @SUM(A1)", 'bolt', "'\t5"], {'a': 3})
    """
    cells = {}
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            values = table.column(at)
            runs = pc.fill_null(pc.match_substring_regex(values, _FORMULA), False)
            found = pc.sum(runs).as_py() or 0
            if found:
                cells[field.name] = found
                quoted = pc.binary_join_element_wise(pa.scalar("'", field.type), values, pa.scalar("", field.type))
                table = table.set_column(at, field, pc.if_else(runs, quoted, values))
    return table, cells
