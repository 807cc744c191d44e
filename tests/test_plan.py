"""The plan: TOML in and out, unknown keys refused, every problem at once."""

import pytest
from pydantic import ValidationError

import cart7
from cart7.errors import PlanError
from cart7.plan import Plan, parse_plan, plan_toml, read_plan


def test_a_plan_comes_back_from_its_own_toml():
    assert parse_plan(Plan().to_toml()) == Plan()
    example = read_plan("example")
    assert parse_plan(plan_toml(example, comments=False)) == example


def test_an_empty_plan_is_the_defaults():
    assert parse_plan("") == Plan()


def test_a_plan_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Plan().seed = 3


def test_the_default_plan_states_no_recommendation():
    assert Plan().score is None


def test_the_preset_is_the_placeholder_set():
    assert parse_plan('[score]\npreset = "example"').score == cart7.dose.ScoreRules.example()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[respnse]\ntie = 'later'", "respnse: unknown table; nearest: response"),
        ("[response]\nresponders = ['CR']", "response.responders: unknown key; nearest: responder"),
        ("[pk.lambda_z]\nmin_point = 3", "pk.lambda_z.min_point: unknown key; nearest: min_points"),
        ("[strategies.tp]\nhcst = 'ignore'", "strategies.tp.hcst: unknown key; nearest: hsct"),
        ("[pk]\ntail = 'stp'", "pk.tail: .*'stop'.*found 'stp'"),
        ("seed = -1", "seed: .*greater than or equal to 0 .found -1"),
        ("seed = true", "seed: .*valid integer .found True"),
        (
            "[response.visits]\nM3 = { target = 90, lower = 100, upper = 104 }",
            "lower <= target <= upper, got 100, 90, 104",
        ),
        ("[score]\npreset = 'best'", 'preset = "example" is the one preset'),
        ("[design]\nkind = 'Boin'", "design: target: Field required"),
        ("[design]\nkind = 'Bionic'\ntarget = 0.3", "kind must be one of ThreePlusThree, Boin"),
        ("[design]\nkind = 'Boin'\ntarget = 0.9", "less than or equal to 0.6"),
        ("by = ", "not valid TOML"),
    ],
)
def test_a_wrong_plan_is_refused_with_its_place(text, message):
    with pytest.raises(PlanError, match=message):
        parse_plan(text)


def test_every_problem_of_a_plan_is_told_at_once():
    with pytest.raises(PlanError, match="3 problems") as caught:
        parse_plan("sed = 1\n[pk]\ntail = 'x'\n[pd]\ntie = 'never'")
    assert all(place in str(caught.value) for place in ("sed:", "pk.tail:", "pd.tie:"))


def test_a_refused_item_is_the_one_problem_of_its_list():
    with pytest.raises(PlanError, match=r"1 problem in .*\n  response.responder.0: .*found 'XX'") as caught:
        parse_plan("[response]\nresponder = ['XX']")
    assert "at least 1 item" not in str(caught.value)
    with pytest.raises(PlanError, match=r"response\.responder: .*at least 1 item"):
        parse_plan("[response]\nresponder = []")


def test_a_missing_plan_and_a_folder_are_told(tmp_path):
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path / "plan.toml")
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path)


def test_a_plan_that_is_not_utf_8_is_told(tmp_path):
    place = tmp_path / "plan.toml"
    place.write_bytes('by = "dosis_größe"'.encode("latin-1"))
    with pytest.raises(PlanError, match="not UTF-8"):
        read_plan(place)


def test_the_example_plan_states_the_conventions():
    plan = read_plan("example")
    assert plan.response.tie == "earlier"
    assert plan.response.sd_min_days == 0
    assert plan.pk.tail == "stop"
    assert plan.pd.censor_at == ()
    assert set(plan.strategies) == {"treatment-policy", "censor", "hsct-competing"}
    assert plan.strategies == {
        name: rules.model_copy(update={"responder": ("CR", "CRi", "PR")})
        for name, rules in Plan().strategies.items()
    }
