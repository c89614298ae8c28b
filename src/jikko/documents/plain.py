"""Text formats. Source: docs/dify-behaviour.md, “Document extractor”."""

import json

from jikko.documents.charset import decode
from jikko.ports.files.documents import DocumentFailure


def read_text(content: bytes) -> str:
    """Return text unchanged, including markup."""
    return decode(content)


def read_json(content: bytes) -> str:
    """Return JSON indented by two spaces."""
    try:
        return json.dumps(json.loads(decode(content)), indent=2, ensure_ascii=False)
    except ValueError as error:
        raise DocumentFailure("extraction.verbatim", {"text": str(error)}) from None


def read_yaml(content: bytes) -> str:
    """Return YAML, parsed and dumped: normalised, without comments."""
    import yaml

    # The C versions are ten times as fast with the same output; not every build has them.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    try:
        documents = list(yaml.load_all(decode(content), loader))
        text: str = yaml.dump_all(documents, Dumper=dumper, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentFailure("extraction.verbatim", {"text": " ".join(str(error).split())}) from None
    return text


def read_properties(content: bytes) -> str:
    """Return Java properties as ``key: value`` lines, with comments."""
    return "\n".join(_property(line.strip()) for line in decode(content).splitlines())


def _property(line: str) -> str:
    if not line or line.startswith(("#", "!")):
        return line
    mark = "=" if "=" in line else ":"
    key, _, value = line.partition(mark)
    return f"{key.strip()}: {value.strip()}"
