"""Pieces of ``scripts/compare_pickers.py``: machines, a package index on loopback, the tools, the judge, the page."""
