"""
The single values of a rule pack, held to what the author can have meant.

YAML turns an unquoted ``yes`` into a truth value and leaves ``1e23`` a text. Neither is converted back: the error says
how to write it.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field


def _text(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("YAML reads an unquoted yes, no, on, off, true or false as a truth value; put it in quotes")
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text; put it in quotes")
    if not value.strip():
        raise ValueError("the text is empty; write one")
    return value


def _number(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"{value!r} is a text and not a number; write it without quotes, a large one as 1.0e+23")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number; write one, as 64 or 1.0e+23")
    return float(value)


Text = Annotated[str, BeforeValidator(_text)]
"""A text that is not empty."""

Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
"""A finite number."""
