"""
From files of others to statements: one module for each form of file, and what they all give back.

A reader never raises for what a file holds. It gives the statements of the rows that are good, and a problem with its
place for every row that is not: rows in are rows accepted and rows reported. What is then done is decided elsewhere.
"""
