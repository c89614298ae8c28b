"""Why a bucket cannot be used, in words for whoever set it up, and what to do."""

import re
from collections.abc import Mapping
from typing import Final

_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_STATUS: Final = re.compile(r"status code: (\d+)")
WHO_SIGNS: Final = (
    "who signs is known by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, or the machine's role"
)
_OF_CODES: Final[Mapping[str, str]] = {
    "NoSuchBucket": "there is no such bucket; make it, or correct the name",
    "SignatureDoesNotMatch": "the key that signs is not the one of this user; check AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "it does not know this user; check AWS_ACCESS_KEY_ID",
    "RequestTimeTooSkewed": "the clock of this machine differs from that of the bucket; set up NTP",
    "AuthorizationHeaderMalformed": "its region is another one; correct region=",
    "PermanentRedirect": "it is at another endpoint; correct endpoint= and region=",
}
_HANGS_UP: Final = "the endpoint hangs up before it answers; correct endpoint=, or look at what is between"
_OF_TEXTS: Final = (
    ("169.254.", f"no key was found to sign with; {WHO_SIGNS}"),
    ("MissingAccessKeyId", f"AWS_ACCESS_KEY_ID is missing; {WHO_SIGNS}"),
    ("MissingSecretAccessKey", f"AWS_SECRET_ACCESS_KEY is missing; {WHO_SIGNS}"),
    (
        "UnknownIssuer",
        "the certificate of the endpoint is not trusted; ca= names a PEM file of an authority of one's own",
    ),
    ("InvalidCertificate", "the certificate of the endpoint is not trusted"),
    ("InvalidContentType", "what answers at the endpoint does not encrypt; endpoint= may have to begin with http://"),
    ("lookup address", "the host of the endpoint is not known; correct endpoint="),
    ("ConnectionRefused", "nothing listens at the endpoint; correct endpoint=, or start it"),
    ("TimedOut", "the endpoint does not answer; correct endpoint=, or look at what is between"),
    ("kind: Connect", "the endpoint cannot be reached; correct endpoint="),
    ("kind: Request", _HANGS_UP),
    ("kind: Interrupted", _HANGS_UP),
)
"""By what is in the library's account of the error, the more special first."""
_FORBIDDEN: Final = 403
_MISSING: Final = 404


def what_refuses(error: BaseException | None, act: str) -> str:
    """Why something could not be done with a bucket. Has nothing of addresses and keys.

    Args:
        error: What the library raised.
        act: What was tried: ``be written to``.
    """
    text = str(error)
    if (code := _CODE.search(text)) and code[1] in _OF_CODES:
        return _OF_CODES[code[1]]
    for hint, reason in _OF_TEXTS:
        if hint in text:
            return reason
    status = int(found[1]) if (found := _STATUS.search(text)) else 0
    if status == _FORBIDDEN:
        return f"it may not {act} by this user; let AWS_ACCESS_KEY_ID read, write, list and remove there"
    if status == _MISSING:
        return _OF_CODES["NoSuchBucket"]
    if status or code:
        return (
            f"what answers at the endpoint says {' '.join(filter(None, [str(status or ''), code[1] if code else '']))}"
        )
    return f"the library says {type(error).__name__}"
