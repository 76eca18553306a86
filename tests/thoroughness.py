"""How many examples a property is tried on: all of them with --run-slow, a tenth in the fast run."""

thorough = False  # conftest.py sets it, before any test is collected


def examples(number: int) -> int:
    return number if thorough else max(12, number // 10)
