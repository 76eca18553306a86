"""The smoke tests from device to cost pass on real torch, and fail with the right words on a broken one."""

import os
from pathlib import Path

import pytest
import smoke_breakage
import smoke_broken_more
import smoke_broken_rest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(620),
    pytest.mark.skipif(not smoke_breakage.PYTHON, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="each breakage runs in a fork"),
]
BROKEN = {**smoke_broken_more.BROKEN, **smoke_broken_rest.BROKEN}
# What says that a release is older than what a breakage changes.
TOO_OLD = (
    ("export-program", None, "has no torch.export"),
    ("precision-float16", 0, "has no float16 autocast on cpu"),
)


@pytest.fixture(scope="module")
def outcomes():
    return smoke_breakage.outcomes(Path(smoke_broken_more.__file__), Path(smoke_broken_rest.__file__), timeout=600)


@pytest.mark.parametrize("code", BROKEN)
def test_it_passes_on_a_torch_that_works(outcomes, code):
    assert outcomes[code, None]["status"] in ("pass", "skip"), outcomes[code, None]


@pytest.mark.parametrize(("code", "number", "words", "status"), smoke_breakage.cases(BROKEN))
def test_it_fails_on_a_broken_one_and_says_why(outcomes, code, number, words, status):
    found = outcomes[code, number]
    if any(reason in outcomes[needs, first]["message"] for needs, first, reason in TOO_OLD if needs == code):
        pytest.skip("this torch doesn't have what is broken here")
    assert found["status"] == status, found
    assert words in found["message"], found
