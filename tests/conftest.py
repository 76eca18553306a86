"""Options of the test suite."""

import os

import thoroughness
from hypothesis import settings

# An updated catalog of whoever runs the tests must not change what they say.
os.environ["ENVTOOL_DATA"] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no-such-folder")


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow, too")


def pytest_configure(config):
    thoroughness.thorough = config.getoption("--run-slow")
    settings.register_profile("fast", max_examples=thoroughness.examples(100))
    settings.load_profile("default" if thoroughness.thorough else "fast")


def pytest_report_header(config):
    return None if config.getoption("--run-slow") else "the tests marked slow are left out: --run-slow runs them, too"


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-slow"):
        return
    slow = [item for item in items if "slow" in item.keywords]
    # Not skipped one by one: there are so many that to report each takes its time.
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if "slow" not in item.keywords]
