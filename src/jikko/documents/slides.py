"""PowerPoint: paragraphs of each slide, top to bottom; tables as Markdown; an empty line between slides."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from jikko.documents.archives import check_zip
from jikko.documents.tables import document_table


def read_pptx(content: bytes) -> str:
    """Return the text of the slides, without notes."""
    from pptx import Presentation

    check_zip(content)
    slides = Presentation(io.BytesIO(content)).slides
    return "\n\n".join("\n".join(_texts(slide.shapes)) for slide in slides)


def _texts(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _texts(shape.shapes)
        elif shape.has_text_frame:
            for paragraph in shape.text_frame.paragraphs:
                if text := paragraph.text.strip():
                    yield text
        elif getattr(shape, "has_table", False):
            rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
            if rows:
                yield document_table(rows).rstrip("\n")
