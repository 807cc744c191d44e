"""The names of the contract are there, and the docs and metadata agree with the code."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

import cart7
from cart7 import records

ROOT = Path(__file__).parents[2]

NAMES = {
    "cart7": "read_study Study read_plan Plan analyse example_study verify Analysis Cart7Error DataError PlanError "
    "UnitError VerificationError __version__",
    "cart7.records": "Subject ManufacturingRun ProductBag LymphodepletionDose KineticSample PdSample "
    "ResponseAssessment AdverseEvent AesiDay ConcomitantMedication DltAssessment AdaSample StudyEvent LabResult "
    "json_schema",
    "cart7.results": "compare check round_half_up format_count",
    "cart7.derive": "Window impute_date",
    "cart7.cdisc": "read_table write_table read_adam write_adam Table TableRules ADTTE ADPC",
    "cart7.validation": "validate",
    "cart7.stats.proportions": "interval posterior",
    "cart7.stats.rates": "interval",
    "cart7.pk": "nca exposure persistence NcaRules BlqRules LambdaZRules NcaResult ExposureResult PPTESTCD",
    "cart7.pd": "by_visit depletion PdRules Window",
    "cart7.immunogenicity": "classify positive_rate AdaRules Window",
    "cart7.response": "at_visit best_overall objective_response ResponseRules Window",
    "cart7.survival": "kaplan_meier bpcp cumulative_incidence logrank time_to_event endpoint_table TimeToEventRules "
    "KaplanMeierResult TimeToEventResult",
    "cart7.safety": "treatment_emergent overview by_term exposure_adjusted episodes special_interest "
    "dose_limiting_toxicity SafetyRules DltRules",
    "cart7.grading": "icaht_neutropenia",
    "cart7.dose": "cell_dose bags_needed evidence score recommend overall_desirability smaa ScoreRules Criterion Gates "
    "Desirability CellDoseRules DoseScore",
}


@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room, names in NAMES.items() for name in names.split()]
)
def test_a_name_of_the_contract_is_there(room, name):
    assert hasattr(importlib.import_module(room), name)


def test_every_public_name_of_the_front_door_loads():
    assert all(hasattr(cart7, name) for name in cart7.__all__)


def test_an_unknown_name_is_refused_by_the_front_door():
    with pytest.raises(AttributeError, match="no attribute 'kinetiks'"):
        _ = cart7.kinetiks


def test_the_version_is_written_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    assert f"version: {cart7.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_the_data_dictionary_page_is_that_of_the_records():
    spec = importlib.util.spec_from_file_location("build_dictionary", ROOT / "docs" / "build_dictionary.py")
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    assert (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8") == builder.page()


def test_the_json_schema_holds_every_table_and_column():
    schema = records.json_schema()
    assert set(schema["properties"]) == set(records.TABLES)
    for table in records.TABLES.values():
        assert set(schema["$defs"][table.model.__name__]["properties"]) == set(table.columns)


def test_every_public_function_has_a_numpydoc_page_with_an_example():
    lacking = []
    for room in NAMES:
        module = importlib.import_module(room)
        for name in NAMES[room].split():
            item = getattr(module, name)
            if callable(item) and not isinstance(item, type) and getattr(item, "__module__", "") == room:
                text = item.__doc__ or ""
                lacking += [f"{room}.{name}: {part}" for part in ("Examples", ">>>") if part not in text]
    assert not lacking


def test_vendored_data_names_its_source():
    folders = [path for path in (ROOT / "tests" / "data").iterdir() if path.is_dir()]
    assert folders
    assert not [path.name for path in folders if not (path / "README.md").is_file()]


def test_the_readme_and_the_page_say_not_medical_advice():
    assert "not medical advice" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_rule_id_has_its_entry_in_the_docs():
    pattern = re.compile(r"\brule=\"([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)\"")
    raised = {
        found
        for path in (ROOT / "src").rglob("*.py")
        for found in pattern.findall(path.read_text(encoding="utf-8"))
    }
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "errors").glob("*.md"))
    explained = set(re.findall(r"^### (\S+)", pages, flags=re.MULTILINE))
    examples = {"F-1", "PK-003"}  # of the docstrings in errors.py
    assert len(raised) > 5
    assert not raised - explained - examples
