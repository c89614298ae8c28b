"""Validates events with the models of the package ``ag-ui-protocol``: a JSON list on standard input."""

import json
import sys
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter

event_type: Any = import_module("ag_ui.core").Event
checker: TypeAdapter[Any] = TypeAdapter(event_type)
events = [checker.validate_python(event) for event in json.load(sys.stdin)]
# Models keep unknown fields.
unknown = {(event.type.value, name) for event in events for name in (event.model_extra or {})}
print(json.dumps({"checked": len(events), "unknown": sorted(unknown)}))
