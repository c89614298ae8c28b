"""CSV and Excel as Markdown tables, one per sheet. Source: docs/dify-behaviour.md, “Document extractor”."""

import csv
import io
import math
import sys
from typing import Any

from jikko.documents.office import OLE_MAGIC, ZIP_MAGIC, check_zip, refuse_encrypted
from jikko.documents.plain import decode
from jikko.documents.tables import Cell, plain_table, sheet_table
from jikko.ports.files.documents import DocumentFailure


def read_csv(content: bytes) -> str:
    """Return comma-separated values as a table."""
    # The default of 128 KiB a cell is too small for real files.
    csv.field_size_limit(sys.maxsize)
    # Unchanged, so that line breaks within cells stay.
    return plain_table(list(csv.reader(io.StringIO(decode(content), newline=""))))


def read_excel(content: bytes) -> str:
    """Return the sheets of a workbook as tables."""
    return "".join(sheet_table(rows) + "\n\n" for rows in excel_sheets(content))


def excel_sheets(content: bytes) -> list[list[list[Cell]]]:
    """Return the rows of each sheet; the format is detected by the first bytes, since suffixes are often wrong."""
    if content.startswith(ZIP_MAGIC):
        sheets = _xlsx_sheets(content)
    elif content.startswith(OLE_MAGIC):
        refuse_encrypted(content)
        sheets = _xls_sheets(content)
    else:
        raise DocumentFailure("extraction.not_excel")
    return [_trimmed(rows) for rows in sheets]


def _trimmed(rows: list[list[Cell]]) -> list[list[Cell]]:
    """Strip trailing empty cells and rows."""
    for row in rows:
        while row and isinstance(row[-1], str) and row[-1] == "":
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _xlsx_sheets(content: bytes) -> list[list[list[Cell]]]:
    from openpyxl import load_workbook

    check_zip(content)
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    try:
        sheets = []
        for sheet in book.worksheets:
            # The stated dimensions are often wrong.
            sheet.reset_dimensions()
            sheets.append([[_xlsx_cell(cell) for cell in row] for row in sheet.rows])
        return sheets
    finally:
        book.close()


def _xlsx_cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return ""
    match cell.data_type:
        case "e":
            return math.nan
        case "n":
            return _whole(value)
        case _:
            return value


def _xls_sheets(content: bytes) -> list[list[list[Cell]]]:
    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO())
    except xlrd.XLRDError as error:
        raise DocumentFailure("extraction.verbatim", {"text": str(error)}) from None
    return [
        [[_xls_cell(cell, book.datemode) for cell in sheet.row(index)] for index in range(sheet.nrows)]
        for sheet in book.sheets()
    ]


def _xls_cell(cell: Any, datemode: int) -> Cell:
    import xlrd

    match cell.ctype:
        case xlrd.XL_CELL_DATE:
            try:
                moment = xlrd.xldate.xldate_as_datetime(cell.value, datemode)
            except (ValueError, OverflowError):
                return cell.value
            # A time of day is stored as a fraction of day 0.
            return moment.time() if cell.value < 1 else moment
        case xlrd.XL_CELL_ERROR:
            return math.nan
        case xlrd.XL_CELL_BOOLEAN:
            return bool(cell.value)
        case xlrd.XL_CELL_NUMBER:
            return _whole(cell.value)
        case _:
            return cell.value


def _whole(value: Any) -> Cell:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
