"""
Country codes: ISO 3166-1 alpha-2 in capitals, and nothing else.

A name or another code is refused with the code that was probably meant, and never replaced silently: which country a
party belongs to decides too much. The one door to the ``iso3166`` package.
"""

from iso3166 import countries_by_alpha2, countries_by_alpha3, countries_by_name

_ALIASES = {
    "UK": "GB",
    "GREAT BRITAIN": "GB",
    "UNITED KINGDOM": "GB",
    "USA": "US",
    "UNITED STATES": "US",
    "MACAU": "MO",
    "PRC": "CN",
    "RUSSIA": "RU",
    "IRAN": "IR",
    "SYRIA": "SY",
    "NORTH KOREA": "KP",
    "DPRK": "KP",
    "SOUTH KOREA": "KR",
    "KOREA": "KR",
    "BURMA": "MM",
    "VENEZUELA": "VE",
    "DRC": "CD",
    "TAIWAN": "TW",
    "EL": "GR",
}
"""Names and codes in use that are not ISO 3166-1's own, and the code meant. Our selection."""


class CountryError(ValueError):
    """A text that is no ISO 3166-1 alpha-2 code. ``suggestion`` is the code probably meant, or an empty tuple."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.suggestion = _suggestion(text)
        hint = f"; did you mean {self.suggestion[0]!r}?" if self.suggestion else ""
        super().__init__(f"{text!r} is no ISO 3166-1 alpha-2 code (two capital letters, as in 'DE'){hint}")


def normalise_country(text: str) -> str:
    """Give the code back if it is an ISO 3166-1 alpha-2 code in capitals; raise :class:`CountryError` otherwise."""
    if text not in countries_by_alpha2:
        raise CountryError(text)
    return text


def _suggestion(text: str) -> tuple[str, ...]:
    """Look for the code meant: an alias, the code in small letters, an alpha-3 code, or ISO's own name."""
    key = text.strip().upper()
    if key in _ALIASES:
        return (_ALIASES[key],)
    if key in countries_by_alpha2:
        return (key,)
    country = countries_by_alpha3.get(key) or countries_by_name.get(key)
    return (country.alpha2,) if country else ()
