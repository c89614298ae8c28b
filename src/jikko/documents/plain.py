"""Formats that are text already. Source: docs/dify-behaviour.md, “Document extractor”."""

import json

from jikko.documents.charset import decode
from jikko.ports.files.documents import DocumentFailure


def read_text(content: bytes) -> str:
    """Text as it is; markup too."""
    return decode(content)


def read_json(content: bytes) -> str:
    """JSON with each level indented by two spaces."""
    try:
        return json.dumps(json.loads(decode(content)), indent=2, ensure_ascii=False)
    except ValueError as error:
        raise DocumentFailure("extraction.verbatim", {"text": str(error)}) from None


def read_yaml(content: bytes) -> str:
    """YAML, read and written again: comments are gone, the layout is always the same."""
    import yaml

    # The C versions write the same and are ten times as fast; not every build has them.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    try:
        documents = list(yaml.load_all(decode(content), loader))
        text: str = yaml.dump_all(documents, Dumper=dumper, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentFailure("extraction.verbatim", {"text": " ".join(str(error).split())}) from None
    return text


def read_properties(content: bytes) -> str:
    """Java properties as ``key: value`` lines; comments stay."""
    return "\n".join(_property(line.strip()) for line in decode(content).splitlines())


def _property(line: str) -> str:
    if not line or line.startswith(("#", "!")):
        return line
    mark = "=" if "=" in line else ":"
    key, _, value = line.partition(mark)
    return f"{key.strip()}: {value.strip()}"
