"""The plan: every choice of the statistical analysis plan in one frozen record.

Here: the rules of all endpoints together, their way from and to TOML, and errors that name the
nearest known key. Not here: what a rule means (the room that has it).
"""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from cart7.designs import KINDS, Design
from cart7.dose import CellDoseRules, ScoreRules
from cart7.errors import PlanError
from cart7.examples import STUDY_FOLDER
from cart7.immunogenicity import AdaRules
from cart7.pd import PdRules
from cart7.pk import NcaRules
from cart7.response import ResponseRules
from cart7.safety import DltRules, SafetyRules
from cart7.survival import STRATEGIES, TimeToEventRules

EXAMPLE = "example"

HEAD = (
    "# Analysis plan of a cart7 study: every rule that changes a number.",
    "# An absent key is the default; an unknown one is refused.",
)

TABLE_NOTES = {
    "pk": "Cellular kinetics: areas, values below the limit, lambda_z.",
    "pd": "CD7+ cells: baselines, visits, values below the limit, recovery.",
    "immunogenicity": "Anti-CAR antibodies: visit windows, boosting, persistence.",
    "response": "Response: visit windows in days since infusion, who is a responder, confirmation.",
    "survival": "Time to event: the rules of a single analysis; the strategies stand below.",
    "safety": "Adverse events: reference date, window, intervals.",
    "dlt": "Dose-limiting toxicity, where it is derived from adverse events.",
    "cell_dose": "Cell dose from bags: limits of the deviation from the planned dose.",
    "score": 'Recommended phase II dose: pre-specify it, or write preset = "example" (placeholders).',
    "design": "Escalation design of the trial: its class as kind, and its fields.",
    "strategies": "Intercurrent-event strategies, side by side for every time-to-event endpoint.",
}


class Plan(BaseModel):
    """The rules of all endpoints, one field per room.

    Attributes
    ----------
    pk, pd, immunogenicity, response, survival, safety, dlt, cell_dose
        The rules of each room; their defaults are the library's.
    score : ScoreRules or None
        Weights and gates of the recommended phase II dose; None: it is not collected.
    strategies : mapping of str to TimeToEventRules
        How intercurrent events are handled, by name.
    design : Design or None
        Escalation design of the trial (in TOML its class as `kind` and its fields); None: none is followed.
    by : str or None
        Column of `subjects` that defines the groups.
    seed : int
        Seed of every draw.

    Examples
    --------
    >>> Plan().by
    'dose_level'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pk: NcaRules = Field(default_factory=NcaRules)
    pd: PdRules = Field(default_factory=PdRules)
    immunogenicity: AdaRules = Field(default_factory=AdaRules)
    response: ResponseRules = Field(default_factory=ResponseRules)
    survival: TimeToEventRules = Field(default_factory=TimeToEventRules)
    safety: SafetyRules = Field(default_factory=SafetyRules)
    dlt: DltRules = Field(default_factory=DltRules)
    cell_dose: CellDoseRules = Field(default_factory=CellDoseRules)
    score: ScoreRules | None = None
    strategies: dict[str, TimeToEventRules] = Field(default_factory=lambda: dict(STRATEGIES), min_length=1)
    design: SerializeAsAny[Design] | None = None
    by: str | None = "dose_level"
    seed: int = Field(default=0, ge=0, strict=True)

    @field_validator("design", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any) -> Any:
        """A design as its class (`kind`) and its fields."""
        if not isinstance(value, Mapping):
            return value
        kind = KINDS.get(str(value.get("kind", "")))
        if kind is None:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {value.get('kind')!r}")
        try:
            return kind.model_validate({key: given for key, given in value.items() if key != "kind"})
        except ValidationError as error:
            raise ValueError("; ".join(_of_design(problem) for problem in error.errors())) from error

    @field_serializer("design")
    def _with_kind(self, design: Design | None) -> dict[str, Any] | None:
        if design is None:
            return None
        return {"kind": type(design).__name__, **design.model_dump(mode="json")}

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        """`score = {preset = "example"}` is the placeholder set."""
        if (
            isinstance(values, Mapping)
            and isinstance(values.get("score"), Mapping)
            and "preset" in values["score"]
        ):
            if dict(values["score"]) != {"preset": EXAMPLE}:
                raise ValueError('score: preset = "example" is the one preset, and it stands alone')
            return {**values, "score": ScoreRules.example()}
        return values

    def to_toml(self, *, comments: bool = True) -> str:
        """The plan as TOML, every rule written out; `read_plan` reads it back as the same plan."""
        return plan_toml(self, comments=comments)


def read_plan(path: str | Path) -> Plan:
    """Read a plan from a TOML file.

    Parameters
    ----------
    path : str or Path
        The file, or `example` for the plan that ships with the example study.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError
        The file is missing or damaged, or holds unknown tables or keys (named with the nearest known
        one) or impossible values: all of them in one message.

    Examples
    --------
    >>> read_plan("example").response.responder
    ('CR', 'CRi', 'PR')
    """
    place = STUDY_FOLDER / "plan.toml" if str(path) == EXAMPLE else Path(path)
    try:
        content = place.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"the plan {path} cannot be read: {_reason(error)}") from error
    return parse_plan(content, name=str(path))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"


def parse_plan(content: str, *, name: str = "plan") -> Plan:
    """Plan from TOML text; `name` stands in the messages. Raises PlanError as `read_plan` does."""
    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"the plan {name} is not valid TOML: {error}") from error
    try:
        return Plan.model_validate(tables)
    except ValidationError as error:
        lines = [_message(problem, tables) for problem in _first_causes(error.errors())]
        count = f"{len(lines)} problem{'' if len(lines) == 1 else 's'}"
        raise PlanError("\n  ".join([f"{count} in the plan {name}:", *lines])) from error


def _first_causes(problems: Sequence[Any]) -> list[Any]:
    """Without the lists that are too short only because an item of theirs is refused."""
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(
            len(place) > len(problem["loc"]) and place[: len(problem["loc"])] == problem["loc"]
            for place in places
        )
    ]


def _message(problem: Any, tables: Mapping[str, Any]) -> str:
    """One problem of the plan as a statistician reads it."""
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.4)
        kind = "table" if isinstance(problem["input"], Mapping) else "key"
        return f"{place}: unknown {kind}" + (
            f"; nearest: {near[0]}" if near else f"; known: {', '.join(known)}"
        )
    text = re.sub(r"^Value error, ", "", problem["msg"])
    given = problem["input"]
    shown = "" if isinstance(given, Mapping) else f" (found {given!r})"
    return f"{place or 'plan'}: {text}{shown}"


def _of_design(problem: Any) -> str:
    """One problem of a design as a statistician reads it."""
    place = ".".join(str(part) for part in problem["loc"])
    text = re.sub(r"^Value error, ", "", problem["msg"])
    return f"{place}: {text} (found {problem['input']!r})" if place else text


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys of the table at a location of the plan."""
    model: Any = Plan
    for part in location:
        fields = getattr(model, "model_fields", None) or getattr(model, "__pydantic_fields__", {})
        if part in fields:
            model = _model_in(fields[part].annotation)
    fields = getattr(model, "model_fields", None) or getattr(model, "__pydantic_fields__", {})
    return sorted(fields)


def _model_in(annotation: Any) -> Any:
    """The record inside an annotation such as `dict[str, TimeToEventRules]` or `ScoreRules | None`."""
    if hasattr(annotation, "__pydantic_fields__"):
        return annotation
    inside = [_model_in(part) for part in get_args(annotation)]
    return next((model for model in inside if hasattr(model, "__pydantic_fields__")), None)


# ---- writing ------------------------------------------------------------------------------------


def plan_toml(plan: Plan, *, comments: bool = True) -> str:
    """TOML of a plan; keys whose value is None are left out, since an absent key is the default."""
    values = plan.model_dump(mode="json")
    lines = [*HEAD, ""] if comments else []
    lines += [f"{key} = {_toml(values[key])}" for key in ("by", "seed") if values[key] is not None]
    for name, rules in values.items():
        if isinstance(rules, Mapping) and name != "strategies":
            lines += _table(
                name, rules, TABLE_NOTES.get(name, "") if comments else "", _field_notes(plan, name, comments)
            )
    if plan.score is None and comments:
        lines += ["", f"# {TABLE_NOTES['score']}", "# [score]", '# preset = "example"']
    if comments:
        lines += ["", f"# {TABLE_NOTES['strategies']}"]
    for name, rules in values["strategies"].items():
        lines += _table(f"strategies.{_toml_key(name)}", rules, "", {})
    return "\n".join(lines).strip() + "\n"


def _field_notes(plan: Plan, name: str, comments: bool) -> dict[str, str]:
    """Allowed words of each field, as a comment."""
    rules = getattr(plan, name)
    if not comments or not isinstance(rules, BaseModel):
        return {}
    words = {key: _choices(info.annotation) for key, info in type(rules).model_fields.items()}
    return {key: " | ".join(allowed) for key, allowed in words.items() if allowed}


def _choices(annotation: Any) -> list[str]:
    """Words that a field takes, after `a number` where it takes one as well."""
    parts = [annotation, *get_args(annotation)]
    words = [str(word) for part in parts if _is_literal(part) for word in get_args(part)]
    return ["a number", *words] if words and float in parts else words


def _is_literal(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is Literal


def _table(name: str, rules: Mapping[str, Any], note: str, field_notes: Mapping[str, str]) -> list[str]:
    lines = ["", *([f"# {note}"] if note else []), f"[{name}]"]
    for key, value in rules.items():
        if value is not None:
            comment = f"  # {field_notes[key]}" if key in field_notes else ""
            lines.append(f"{_toml_key(key)} = {_toml(value)}{comment}")
    return lines


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _toml(value: Any) -> str:
    """A value as TOML: words, numbers, lists and inline tables."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_toml_key(str(k))} = {_toml(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
