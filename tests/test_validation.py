"""The shipped reference suite: it fits together, passes here, fails when a number is wrong, and says so."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cart7
from cart7.cli import main
from cart7.errors import Cart7Error
from cart7.stats import proportions
from cart7.validation import bench, catalogue, validate
from cart7.validation.checks import CHECKS
from cart7.validation.comparison import Comparison, Tally, Tolerance
from cart7.validation.report import ValidationReport, Verdict

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def proportions_report():
    return validate(only="PR")


# ---- requirements as data ------------------------------------------------------------------------


def test_requirements_checks_endpoints_and_exceptions_fit_together():
    bench.area_modules()
    assert catalogue.gaps(list(CHECKS)) == []
    assert len(catalogue.requirements()) >= 60


def test_a_requirement_without_its_check_and_a_check_without_requirement_are_gaps():
    bench.area_modules()
    names = [name for name in CHECKS if name != "grading.crs"]
    found = catalogue.gaps([*names, "grading.unheard_of"])
    assert "GR-001 names the check grading.crs, which does not exist" in found
    assert "the check grading.unheard_of belongs to no requirement" in found


@pytest.mark.parametrize("endpoint", catalogue.ENDPOINTS)
def test_every_endpoint_of_the_protocol_rests_on_a_requirement_of_high_risk(endpoint):
    mine = [item for item in catalogue.requirements() if endpoint in item.endpoints]
    assert any(item.risk == "high" for item in mine)


def test_the_page_and_the_index_are_those_of_the_data():
    """When this fails: python docs/build_validation.py."""
    page = (ROOT / "docs" / "validation" / "requirements.md").read_text(encoding="utf-8")
    assert page == catalogue.page()
    assert bench.INDEX.read_text(encoding="utf-8") == bench.index_text(DATA)


def test_the_page_is_written_by_its_script(tmp_path, monkeypatch):
    place = ROOT / "docs" / "build_validation.py"
    spec = importlib.util.spec_from_file_location("build_validation", place)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    for folder in ("docs/validation", "src/cart7/validation"):
        (tmp_path / folder).mkdir(parents=True)
    script.main()
    assert (tmp_path / "docs/validation/requirements.md").read_text(encoding="utf-8") == catalogue.page()


# ---- the rule of equality ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "rule", "same"),
    [
        (1.0, 1.0, {}, True),
        (1.0, np.nextafter(1.0, 2), {}, False),
        (np.nan, np.nan, {}, True),
        (np.nan, 1.0, {"absolute": 1e9}, False),
        (1.0, np.nan, {"absolute": 1e9}, False),
        (np.inf, np.inf, {"relative": 1e-9}, True),
        (np.inf, 1.0, {"relative": 1e9}, False),
        (0.0, 0.0, {"relative": 1e-9}, True),
        (1e-300, 0.0, {"relative": 1e-9}, False),
        (5e-13, 0.0, {"relative": 1e-9, "absolute": 1e-12}, True),
        (2e-12, 0.0, {"relative": 1e-9, "absolute": 1e-12}, False),
        (100 + 5e-8, 100.0, {"relative": 1e-9}, True),
        (100 + 2e-7, 100.0, {"relative": 1e-9}, False),
    ],
)
def test_two_numbers_are_equal_within_the_tolerance_and_missing_equals_missing_only(ours, theirs, rule, same):
    tally = Tally("x")
    tally.numbers("a", [ours], [theirs], **rule)
    assert tally.done().passed == same


def test_the_distance_is_that_of_the_rule_with_both_parts():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=1000), rng.normal(size=1000) * rng.integers(0, 2, 1000)
    a = b + rng.choice([1e-3, 1e-2], 1000) * (a - b)
    rule = Tolerance(relative=1e-2, absolute=1e-2)
    np.testing.assert_array_equal(rule.distance(a, b) <= rule.limit, np.abs(a - b) <= 1e-2 + 1e-2 * np.abs(b))


def test_another_number_of_named_exceptions_is_a_failure():
    def done(stated):
        tally = Tally("x", {"peer": ("the peer rounds", stated)})
        tally.numbers("a", [1.0, 2.0, 3.0], [1.0, 9.0, 3.0], excuse=[True, True, False], exception="peer")
        return tally.done()

    assert done(1).passed
    assert (done(1).compared, done(1).equal) == (3, 2)
    assert not done(0).passed
    assert not done(2).passed


def test_an_exception_excuses_only_what_it_marks():
    tally = Tally("x", {"peer": ("the peer rounds", 1)})
    tally.numbers("a", [1.0, 2.0], [5.0, 9.0], excuse=[False, True], exception="peer")
    assert tally.done().n_different == 1


def test_a_check_that_compares_nothing_or_columns_of_other_length_fails():
    assert not Tally("x").done().passed
    tally = Tally("x")
    tally.numbers("a", [1.0], [1.0, 2.0])
    tally.words("b", ["one"], [])
    assert tally.done().n_different == 2


# ---- the report ----------------------------------------------------------------------------------


def test_the_proportions_pass_and_every_difference_is_within_its_tolerance(proportions_report):
    found = proportions_report
    assert found.passed
    frame = found.to_frame()
    assert (frame["result"] == "passed").all()
    assert (frame["equal"] + frame["exceptions"] == frame["compared"]).all()
    assert frame["exceptions"].sum() == 90
    assert found.summary["requirements"].sum() == 16
    assert found.environment["cart7"] == cart7.__version__


def test_the_same_installation_gives_the_same_report():
    one, two = validate(only="AB"), validate(only="ab")
    assert one.to_json() == two.to_json()
    assert one.to_html() == two.to_html()


def test_what_needs_a_whole_study_is_not_checked_and_not_passed_without_it():
    found = validate(only="WS")
    assert found.n_not_checked == len(found.verdicts)
    assert not found.passed
    assert "needs the analysis of a whole study" in found.to_text()


def test_an_absent_package_is_told_and_does_not_count_as_passed(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyreadstat" else there(name)
    )
    found = validate(only="DT-005")
    assert [item.result for item in found.verdicts] == ["not checked"]
    assert "needs the package pyreadstat" in found.to_html()


def test_an_unknown_area_lists_the_known_ones():
    with pytest.raises(Cart7Error, match=r"no area or requirement is called 'XX'.*PK \(cellular kinetics\)"):
        validate(only="XX")


def test_the_page_escapes_what_it_shows_and_loads_nothing():
    requirement = catalogue.requirements()[0]
    bad = Comparison(
        check="<b>x</b>", compared=1, equal=0, n_different=1, differences=("<script>alert(1)</script>",)
    )
    found = ValidationReport(
        verdicts=(Verdict(requirement=requirement, comparisons=(bad,)),),
        environment={"cart7": "0", "python": "<i>3</i>"},
    )
    page = found.to_html()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not [word for word in ("http://", "https://", "<link", "<img", "@import", "url(") if word in page]
    assert "FAILED" in page


# ---- a suite that can fail -----------------------------------------------------------------------


def failed(report):
    return [item.requirement.id for item in report.verdicts if item.result == "failed"]


def test_a_wrong_kernel_fails_its_requirements_by_name(monkeypatch):
    right = proportions.interval

    def wrong(x, n, **options):
        low, high = right(x, n, **options)
        return low, high + 1e-9

    monkeypatch.setattr(proportions, "interval", wrong)
    found = validate(only="PR")
    assert failed(found) == [f"PR-00{number}" for number in range(1, 10)]
    assert not found.passed
    assert "upper limit at" in found.to_text()


def test_a_kernel_that_raises_is_a_failure_with_its_message(monkeypatch):
    def broken(*_, **__):
        raise ValueError("no digits left")

    monkeypatch.setattr(proportions, "posterior", broken)
    found = validate(only="PR-011")
    assert failed(found) == ["PR-011"]
    assert "ValueError: no digits left" in found.to_json()


def test_a_wrong_survival_curve_fails(monkeypatch):
    from cart7 import survival

    right = survival.kaplan_meier
    monkeypatch.setattr(
        survival, "kaplan_meier", lambda time, event, **more: right(time, ~np.asarray(event), **more)
    )
    assert failed(validate(only="SV-006")) == ["SV-006"]


def test_a_wrong_number_in_the_analysis_fails_the_whole_study():
    def antibodies(conf_level):
        def analyse(study, plan):
            rules = plan.immunogenicity.model_copy(update={"conf_level": conf_level})
            rates = cart7.immunogenicity.positive_rate(study.ada, study.subjects, rules=rules)
            infused = study.subjects.query("infused == 'Y'")
            return SimpleNamespace(
                ada=cart7.immunogenicity.classify(study.ada, infused, rules=rules), ada_rates=rates
            )

        return analyse

    assert validate(only="WS-011", analyse=antibodies(0.95)).passed
    found = validate(only="WS-011", analyse=antibodies(0.9))
    assert failed(found) == ["WS-011"]
    assert "ada_by_visit cp_lcl" in found.to_text()


def test_a_changed_reference_file_is_reported(monkeypatch, tmp_path):
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(DATA, copy)
    shutil.copy(ROOT / "examples" / "glioblastoma" / "gbm_bivalent_cart_phase1.csv", copy / "real")
    monkeypatch.setattr("cart7.validation.reference_folder", lambda: copy)
    assert failed(validate(only="IN")) == []
    (copy / "dose" / "boin_oc.csv").write_text("changed\n")
    (copy / "pk" / "README.md").unlink()
    text = validate(only="IN").to_text()
    assert "file [dose/boin_oc.csv]: 'changed' is not 'as shipped'" in text
    assert "file [pk/README.md]: 'missing' is not 'as shipped'" in text


# ---- command line --------------------------------------------------------------------------------


def test_the_command_prints_writes_and_exits_with_0(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["validate", "--only", "TT", "--json", "v.json", "--html", "v.html"]) == 0
    out = capsys.readouterr().out
    assert "TT-001" in out
    assert "PASSED: of 4 requirements 4 passed" in out
    content = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert content["schema"] == "cart7-validation/1"
    assert content["passed"] is True
    assert "<title>cart7" in (tmp_path / "v.html").read_text(encoding="utf-8")


def test_the_command_exits_with_1_when_a_number_is_wrong(monkeypatch, capsys):
    right = proportions.predictive
    monkeypatch.setattr(proportions, "predictive", lambda *given, **more: right(*given, **more) + 1e-6)
    assert main(["validate", "--only", "PR-012"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_the_command_exits_with_2_without_the_reference_files(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "a" / "b" / "c" / "d" / "bench.py"))
    assert main(["validate"]) == 2
    assert "the reference files are not in this installation" in capsys.readouterr().err


def test_the_command_exits_with_2_for_an_unknown_area(capsys):
    assert main(["validate", "--only", "nonsense"]) == 2
    assert "areas are" in capsys.readouterr().err


def test_verify_names_the_altered_number_through_what_is_handed_over():
    from cart7 import manifest

    found = validate(only="RE-003", verify=cart7.verify, write_report=manifest.write_report)
    assert found.passed
