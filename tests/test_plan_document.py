"""The plan document: what it says, that it can be read again, and hints that ask the whole question."""

from __future__ import annotations

import json

import pytest
from described import machine
from test_plan import TRAPS
from test_schemas import validate

from envtool.catalog import load
from envtool.errors import UsageError
from envtool.plan import resolve
from envtool.plan_document import completed, document_of, plan_from_json
from envtool.spec import Request

CATALOG = load()
BOX = machine(gpus=["RTX 4090=8.9"], driver="550.54.14")


@pytest.mark.parametrize("case", TRAPS, ids=[case[0] for case in TRAPS])
def test_every_answer_is_read_as_it_is_written(case: tuple[object, ...]) -> None:
    _, box, packages, asked, _ = case
    answer = resolve(box, Request(packages, **asked), CATALOG)  # type: ignore[arg-type]
    document = document_of(answer, CATALOG)
    validate("plan", document)
    assert plan_from_json(json.loads(json.dumps(document)), CATALOG) == answer


def test_the_keys_of_the_contract_come_first() -> None:
    keys = [
        "schema",
        "result",
        "packages",
        "variant",
        "source",
        "index_url",
        "commands",
        "warnings",
        "refusals",
        "catalog",
    ]
    for request in (Request(("torch",)), Request(("torch==2.15.0",), accelerator="gpu")):
        assert list(document_of(resolve(BOX, request, CATALOG), CATALOG))[:10] == keys


def test_what_the_document_says() -> None:
    document = document_of(resolve(BOX, Request(), CATALOG), CATALOG)
    assert document["packages"] == {"torch": "2.14.1", "torchvision": "0.29.1", "torchaudio": "2.11.0"}
    assert (document["variant"], document["source"]) == ("cu126", "pytorch-index")
    assert document["index_url"] == "https://download.pytorch.org/whl/cu126"
    assert document["catalog"] == {"date": CATALOG.date, "digest": CATALOG.digest}
    rows = document["refusals"]
    assert isinstance(rows, list)
    assert {"torch": "2.14.1", "variant": "cu130", "kind": "driver_too_old", "source": "pypi",
            "reason": "needs driver >= 580.65.06, found 550.54.14"} in rows  # fmt: skip


def test_no_plan_has_nulls_and_a_way_out() -> None:
    document = document_of(resolve(BOX, Request(("torch==2.15.0",), accelerator="gpu"), CATALOG), CATALOG)
    assert [document[key] for key in ("packages", "variant", "source", "index_url", "commands")] == [None] * 4 + [{}]
    assert document["error_kind"] == "driver_too_old" and "580.65.06" in str(document["hint"])


def test_the_answer_can_not_be_changed_through_its_document() -> None:
    plan = resolve(BOX, Request(), CATALOG)
    first = document_of(plan, CATALOG)
    first["commands"]["pip"] = "rm"  # type: ignore[index,call-overload]
    assert document_of(plan, CATALOG)["commands"]["pip"] != "rm"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "envtool.machine/1"}, "not a plan"),
        ({"platform": "linux_sparc"}, "not in the catalog"),
        ({"variant": "cu999"}, "not in the catalog"),
        ({"pins": None}, "no pins"),
        ({"variant": None}, "variant"),
        ({"refusals": {}}, "refusals"),
        ({"refusals": [1]}, "refusal"),
        ({"refusals": [{"kind": "driver_too_old"}]}, "reason"),
    ],
)
def test_a_document_that_is_no_plan_is_refused(change: dict[str, object], words: str) -> None:
    document = {**document_of(resolve(BOX, Request(), CATALOG), CATALOG), **change}
    with pytest.raises(UsageError) as caught:
        plan_from_json(document, CATALOG)  # type: ignore[arg-type]
    assert words in caught.value.message and caught.value.hint
    with pytest.raises(UsageError):
        plan_from_json([], CATALOG)


# ── hints ────────────────────────────────────────────────────────────────────────────────────────

CPU = "`envtool pick --accelerator cpu`"
DRIVER = "name it: `envtool pick --target driver=550.54.14`"


@pytest.mark.parametrize(
    ("hint", "request_", "place", "expected"),
    [
        (CPU, Request(), (), "`envtool pick --accelerator cpu`"),
        (CPU, Request(("torch==2.8.0",)), (), "`envtool pick torch==2.8.0 --accelerator cpu`"),
        (CPU, Request(("torch==2.8.0+cu128", "numpy<2"), "gpu", "cu128"), (),
         "`envtool pick torch==2.8.0 'numpy<2' --accelerator cpu`"),
        (CPU, Request(installer="uv", include_unverified=True), ("--machine", "my box.json"),
         "`envtool pick --installer uv --include-unverified --machine 'my box.json' --accelerator cpu`"),
        ("`envtool pick --installer pip`", Request(("torch",), "gpu", None, "conda", "pytorch"), (),
         "`envtool pick torch --accelerator gpu --installer pip`"),
        (DRIVER, Request(), ("--target", "linux-64,gpu=V100"),
         "name it: `envtool pick --target 'linux-64,gpu=V100,driver=550.54.14'`"),
        (DRIVER, Request(accelerator="gpu"), (),
         "name it: `envtool pick --accelerator gpu --target 'linux-64,py3.12,gpu=7.0,glibc=2.35,driver=550.54.14'`"),
        ("run `envtool doctor`", Request(("torch",)), (), "run `envtool doctor`"),
    ],
)  # fmt: skip
def test_a_hint_asks_for_all_that_was_asked(
    hint: str, request_: Request, place: tuple[str, ...], expected: str
) -> None:
    assert completed(hint, machine(gpus=["V100=7.0"]), request_, CATALOG, place) == expected


def test_a_hint_stays_where_no_line_can_tell_the_machine() -> None:
    assert completed(DRIVER, machine("linux armv7l"), Request(), CATALOG) == DRIVER
