"""Values that many answers of the console have."""

from typing import Annotated, TypeAlias

from msgspec import Meta

Moment: TypeAlias = Annotated[float, Meta(description="Seconds since the Unix epoch, with fractions.")]
