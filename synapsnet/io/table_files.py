"""Tables of other programs: Parquet, and text in any dialect.

The dialect of a text file is the one in which most of its first cells are numbers: separated by commas, semicolons,
tabs or bars, with decimal points or commas. Lines above the table, and a second header row (units, the status of
cells), are recognised, and a header that numbers the columns.
"""

from __future__ import annotations

import csv
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.text import read_text

TEXT, PARQUET = (".csv", ".tsv"), (".parquet", ".pqt")
DIALECTS = ((",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", "."), (",", ","))
COMMENTS = ("#", "%", "//")
HEAD = 40  # lines that are examined
MOST_HEADERS = 3
FEWEST_NUMBERED = 3  # columns from which on a row 0, 1, 2... is a header


class Table(NamedTuple):
    """A table, and the text around it in the file.

    Attributes
    ----------
    table : DataFrame
        Its column names are strings.
    below : list of lists of texts
        Further rows of the header, by column.
    above : list of texts
        Lines before it.
    numbered : bool
        Whether its first row numbers the columns, and was taken to be the header.
    """

    table: pd.DataFrame
    below: list[list[str]]
    above: list[str]
    numbered: bool = False


def load_table(path: Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file; a header is recognised by not being numbers, or by counting the columns.

    Raises
    ------
    InputError
        If the file is missing, damaged or empty.
    """
    return load_whole(path).table


def load_whole(path: Path) -> Table:
    """The table in a file, and the text around it; InputError as in `load_table`."""
    if path.suffix in PARQUET:
        table = _load_parquet(path)
        if not isinstance(table.index, pd.RangeIndex) and table.index.name is not None:
            table = table.reset_index()
        return Table(_named(table), [], [])
    lines = read_text(path).splitlines()
    first = next((k for k, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(COMMENTS)), None)
    if first is None:
        raise InputError(f"{path} is empty; export the table again.")
    separator, decimal = max(DIALECTS, key=lambda dialect: _n_numbers(lines[first : first + HEAD], *dialect))
    head = list(_cells(lines[first : first + HEAD], separator))
    width = Counter(len(row) for row in head if row).most_common(1)[0][0]
    skipped = next(k for k, row in enumerate(head) if len(row) == width)
    start, head = first + skipped, head[skipped:]
    n_below = _rows_below(head, decimal)
    numbered = _numbers_columns(head)
    header = None if all(_is_number(cell, decimal) for cell in head[0]) and not numbered else 0
    text = "\n".join([lines[start], *lines[start + 1 + n_below :]])
    try:
        table = pd.read_csv(StringIO(text), sep=separator, decimal=decimal, header=header, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{path} is not a whole table ({str(error).strip()}); export it again.") from error
    if isinstance(table.index, pd.MultiIndex):
        raise InputError(f"{path} is not a whole table (its header has fewer columns than its rows); export it again.")
    if not isinstance(table.index, pd.RangeIndex):  # row names, which have no header
        table = table.reset_index(names="")
    below = [[cell.strip() for cell in row] for row in head[1 : 1 + n_below]]
    return Table(_named(table), below, [line.strip() for line in lines[:start] if line.strip()], numbered)


def _load_parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file, engine="pyarrow")
    except ImportError as error:
        raise InputError(f"Reading {file} needs pyarrow; install it (pip install pyarrow).") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is not a whole Parquet file; copy it again.") from error


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis([str(name).strip() for name in table.columns], axis=1)


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return [line.split(separator) for line in lines]


def _n_numbers(lines: list[str], separator: str, decimal: str) -> int:
    """The number of cells that are numbers."""
    return sum(_is_number(cell, decimal) for row in _cells(lines, separator) for cell in row)


def _rows_below(head: list[list[str]], decimal: str) -> int:
    """Number of header rows after the first: not numeric in most columns that are numeric further down."""
    for n in range(MOST_HEADERS, 0, -1):
        body = [row for row in head[1 + n :] if len(row) == len(head[0])]
        above = head[1 : 1 + n]
        numeric = [k for k in range(len(head[0])) if body and all(_is_number(row[k], decimal) for row in body)]
        if not numeric or any(len(row) != len(head[0]) for row in above):
            continue
        words = [sum(bool(row[k].strip()) and not _is_number(row[k], decimal) for k in numeric) for row in above]
        if all(2 * n_words > len(numeric) for n_words in words):
            return n
    return 0


def _numbers_columns(head: list[list[str]]) -> bool:
    """Whether the first row, and not the second, is 0, 1, 2... or 1, 2, 3...: names that pandas gives to columns."""
    width = len(head[0])
    counting = [[str(first + k) for k in range(width)] for first in (0, 1)]
    first, second = ([cell.strip() for cell in row] for row in (*head, [])[:2])
    return width >= FEWEST_NUMBERED and first in counting and second not in counting


def _is_number(text: str, decimal: str) -> bool:
    plain = text.strip()
    if decimal == ",":
        plain = plain.replace(".", "?").replace(",", ".")
    try:
        float(plain)
    except ValueError:
        return False
    return True
