"""Pieces of ``scripts/compare_doctors.py``: broken environments as data, their rooms, the tools, the rule, the page."""
