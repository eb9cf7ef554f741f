"""
Screening: parties and their owners against lists of parties, as names that resemble one another.

A comparison finds and explains; that a party *is* an entry of a list, or is not, a person says. Three things stay
apart: the score (how much two names resemble), the explanation (which words, which distance), and the verdict (whether
the provider's threshold was reached). Nothing of a natural person but the name is read from a list, and no name from a
list goes into a statement.
"""
