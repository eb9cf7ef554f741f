"""What the headers of a request mean. Pure."""

import hmac
import re

TAKEN = re.compile(r"q=(1(\.0{0,3})?|0\.(?!0*$)\d{1,3})")  # a weight above 0: RFC 9110, section 12.4.2


def accepts_gzip(accept_encoding: str) -> bool:
    """
    Whether a reader takes gzip, by its header: RFC 9110, sections 12.5.3 and 12.4.2.

    What is not named has the weight of ``*``; a weight of 0, and one that is no number, is a refusal.
    """
    weights: dict[str, str] = {}
    for each in accept_encoding.lower().split(","):
        coding, _, weight = (part.strip() for part in each.partition(";"))
        weights[coding] = weight
    weight = next((weights[coding] for coding in ("gzip", "x-gzip", "*") if coding in weights), "q=0")
    return not weight or TAKEN.fullmatch(weight) is not None


def is_bearer(authorization: str, token: str) -> bool:
    """Whether this is the token, in the scheme Bearer, in whatever case: RFC 9110, section 11.1."""
    scheme, _, given = authorization.encode("latin-1").partition(b" ")  # the bytes as sent
    return hmac.compare_digest(given.lstrip(b" "), token.encode()) and scheme.lower() == b"bearer"
