"""The JSON Schemas: valid themselves, and true of what envtool writes and reads."""

import json
import re
from dataclasses import fields
from pathlib import Path

import builders
import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from envtool import errors, machine
from envtool.checks import ALL, run
from envtool.data import FOLDER
from envtool.diagnosis import Diagnosis
from envtool.environment import BrokenEnvironment, Environment, ImportReport, Stage
from envtool.machine_document import machine_from_json, machine_to_json
from envtool.probe.recording import recording_from_json, recording_to_json
from envtool.report.json import doctor_to_json, environment_to_json, error_to_json, plain
from envtool.verdicts import Status

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "machine",
    "doctor",
    "plan",
    "error",
    "recording",
    "catalog",
    "catalog-verify",
    "catalog-update",
    "device",
    "rehearse",
    "smoke",
    "smoke-tests",
    "lock",
    "install",
    "check",
    "diff",
    "wheelhouse",
    "colab-check",
)
SCHEMAS = {
    f"{name}-1.json": json.loads((Path(FOLDER) / "schemas" / f"{name}-1.json").read_text(encoding="utf-8"))
    for name in NAMES
}
REGISTRY = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items())


def validate(name, document):
    document = json.loads(json.dumps(document))
    Draft202012Validator(SCHEMAS[f"{name}-1.json"], registry=REGISTRY).validate(document)


def diagnosis(**changes):
    evidence = builders.evidence(**changes)
    return Diagnosis(evidence.machine, evidence.environment, evidence.imports, run(ALL, evidence))


def examples():
    """The examples in the documentation, as the page has them."""
    text = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_describes_every_key(name):
    schema = SCHEMAS[f"{name}-1.json"]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema"]["const"] == f"envtool.{name}/1"
    assert [key for key, value in schema["properties"].items() if not value.get("description")] in ([], ["reasons"])


def test_the_folder_holds_these_schemas_and_no_others():
    assert {path.name for path in (Path(FOLDER) / "schemas").glob("*-1.json")} == set(SCHEMAS)


def test_the_examples_in_the_documentation_validate():
    found = examples()
    assert [example["schema"] for example in found] == [f"envtool.{name}/1" for name in NAMES]
    for name, example in zip(NAMES, found, strict=True):
        validate(name, example)


def test_the_example_machine_and_recording_can_be_read():
    found = dict(zip(NAMES, examples(), strict=True))
    assert machine_to_json(machine_from_json(found["machine"])) == found["machine"]
    again = recording_from_json(found["recording"])
    assert recording_to_json(again, made_by="envtool", date=found["recording"]["date"]) == found["recording"]


# ── what envtool writes ──────────────────────────────────────────────────────────────────────────

MACHINES = {
    "laptop": builders.laptop(),
    "server": builders.server(),
    "silent": builders.silent("unknown-error", 999),
    "little": machine.Machine("windows", "arm64"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_machines_validate(name):
    validate("machine", machine_to_json(MACHINES[name]))


@pytest.mark.parametrize("name", MACHINES)
def test_diagnoses_validate(name):
    validate("doctor", doctor_to_json(diagnosis(machine=MACHINES[name])))


def test_a_broken_environment_validates():
    broken = BrokenEnvironment("/x/bin/python", "--python", "dangling", "no such file", "/usr/bin")
    validate("doctor", doctor_to_json(diagnosis(env=broken)))


def test_an_import_that_crashed_validates():
    imports = builders.report(
        builders.stage("torch", "crash", signal="SIGSEGV", message="killed by SIGSEGV", last_lines=("a", "b")),
        builders.stage("cpu", "not-reached"),
        Stage("cuda:0", "timeout", details=(("name", "GPU"),)),
    )
    validate("doctor", doctor_to_json(diagnosis(imports=imports)))


def test_errors_validate():
    for name, code in vars(errors).items():
        if name.startswith("EXIT_") and code:
            validate("error", error_to_json("no room", None, ("one", "two"), code))


def test_every_key_that_is_written_is_in_the_schema():
    known = SCHEMAS["doctor-1.json"]["properties"]["environment"]["properties"]
    assert set(environment_to_json(builders.environment())) <= set(known)
    assert {field.name for field in fields(Environment)} - {"distributions"} <= set(known)
    report = SCHEMAS["doctor-1.json"]["properties"]["imports"]["properties"]["found"]["properties"]
    assert {field.name for field in fields(ImportReport)} == set(report)
    assert set(plain(Stage("torch", "ok"))) == set(report["stages"]["items"]["properties"])
    for kind, path in ((machine.Machine, ()), (machine.Nvidia, ("nvidia",)), (machine.Amd, ("amd",))):
        node = SCHEMAS["machine-1.json"]
        for key in path:
            node = node["properties"][key]
        assert {field.name for field in fields(kind)} <= set(node["properties"]), kind
    gpu = SCHEMAS["machine-1.json"]["properties"]["nvidia"]["properties"]["gpus"]["items"]["properties"]
    assert {field.name for field in fields(machine.Gpu)} <= set(gpu)


def test_the_words_are_those_of_the_code():
    nvidia = SCHEMAS["machine-1.json"]["properties"]["nvidia"]["properties"]
    assert nvidia["nvml_state"]["enum"] == list(machine.NVML_STATES)
    verdict = SCHEMAS["doctor-1.json"]["properties"]["verdicts"]["items"]["properties"]
    assert set(verdict["status"]["enum"]) == {status.value for status in Status}
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert set(SCHEMAS["error-1.json"]["properties"]["error"]["properties"]["exit_code"]["enum"]) == codes - {0}


# ── what must hold, and what need not ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("missing", ["schema", "os", "arch"])
def test_a_machine_needs_three_keys_and_no_more(missing):
    whole = {"schema": "envtool.machine/1", "os": "linux", "arch": "x86_64"}
    validate("machine", whole)
    machine_from_json(whole)
    del whole[missing]
    with pytest.raises(ValidationError):
        validate("machine", whole)


def test_new_keys_may_come():
    document = doctor_to_json(diagnosis())
    document["mood"] = "good"
    document["machine"]["smell"] = {"of": "ozone"}
    document["verdicts"][0]["seconds"] = 1.5
    validate("doctor", document)


@pytest.mark.parametrize("key", ["schema", "status", "machine", "environment", "verdicts", "next_step"])
def test_the_doctor_keeps_its_keys(key):
    document = doctor_to_json(diagnosis())
    del document[key]
    with pytest.raises(ValidationError):
        validate("doctor", document)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("machine", {"os": "solaris"}),
        ("machine", {"nvidia": {"status": "maybe"}}),
        ("machine", {"nvidia": {"gpus": [{"compute_capability": "sm_90"}]}}),
        ("machine", {"reasons": {"libc": {"perhaps": "no"}}}),
        ("recording", {"answers": {"env": {}}}),
        ("recording", {"answers": {"facts": {"": {}}, "read": {"/x": {"found": 1, "absent": "no"}}}}),
        ("error", {"error": {"message": "x", "exit_code": 0}}),
    ],
)
def test_a_wrong_value_is_refused(name, change):
    whole = {
        "machine": {"schema": "envtool.machine/1", "os": "linux", "arch": "x86_64"},
        "recording": {"schema": "envtool.recording/1", "answers": {"facts": {"": {}}}},
        "error": {"schema": "envtool.error/1", "error": {"message": "x", "exit_code": 2}},
    }[name]
    validate(name, whole)
    with pytest.raises(ValidationError):
        validate(name, whole | change)


def test_verdict_codes_are_kebab_case():
    document = doctor_to_json(diagnosis())
    document["verdicts"] = [doctor_to_json(diagnosis())["verdicts"][0] | {"code": "Not_Kebab"}]
    with pytest.raises(ValidationError):
        validate("doctor", document)


def test_envtool_itself_needs_no_jsonschema():
    assert not [path for path in Path(FOLDER).parent.rglob("*.py") if "jsonschema" in path.read_text(encoding="utf-8")]
