"""The families of smoke tests, in the order in which they are shown."""

import importlib

MODULES = (
    "family_import",
    "family_tensors",
    "family_autograd",
    "family_graph",
    "family_training",
    "family_device",
    "family_rehearsal",
    "family_data",
    "family_precision",
    "family_compile",
    "family_export",
    "family_parallel",
    "family_cost",
)


def tests():
    """Every test, family by family, with the module that holds it."""
    found = []
    for name in MODULES:
        for test in importlib.import_module(name).TESTS:
            test.module = name
            found.append(test)
    return found
