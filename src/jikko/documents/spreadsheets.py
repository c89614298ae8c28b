"""CSV and Excel as Markdown tables, one for each sheet. Source: docs/dify-behaviour.md, “Document extractor”."""

import csv
import io
import math
import sys
from typing import Any

from jikko.documents.archives import OLE_MAGIC, ZIP_MAGIC, check_zip, refuse_encrypted
from jikko.documents.charset import decode
from jikko.documents.tables import Cell, plain_table, sheet_table
from jikko.ports.files.documents import DocumentFailure


def read_csv(content: bytes) -> str:
    """Comma-separated values."""
    # The default of 128 KiB a cell is less than what people put in one.
    csv.field_size_limit(sys.maxsize)
    # Written as it is, so that breaks within cells stay what they are.
    return plain_table(list(csv.reader(io.StringIO(decode(content), newline=""))))


def read_excel(content: bytes) -> str:
    """The sheets of a workbook as tables."""
    return "".join(sheet_table(rows) + "\n\n" for rows in excel_sheets(content))


def excel_sheets(content: bytes) -> list[list[list[Cell]]]:
    """The rows of each sheet, of both formats of Excel by their first bytes: often they are misnamed."""
    if content.startswith(ZIP_MAGIC):
        sheets = _xlsx_sheets(content)
    elif content.startswith(OLE_MAGIC):
        refuse_encrypted(content)
        sheets = _xls_sheets(content)
    else:
        raise DocumentFailure("extraction.not_excel")
    return [_trimmed(rows) for rows in sheets]


def _trimmed(rows: list[list[Cell]]) -> list[list[Cell]]:
    """Without the empty cells at the ends of rows, and the empty rows at the end."""
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
            # What the file says of its size is often wrong.
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
