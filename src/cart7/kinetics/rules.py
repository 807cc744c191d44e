"""The choices of a statistical analysis plan that change kinetics numbers.

Here: the rules of `pk` as frozen records, with their defaults and checks. Not here: what they mean in
formulas (stats.exposure).
"""

from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cart7.stats.nca_choices import Choices

BlqRule: TypeAlias = Literal["keep", "drop", "half-lloq"] | float


class BlqRules(BaseModel):
    """What stands for a sample below the limit of quantification in areas.

    Each rule is `"keep"` (as 0), `"drop"`, `"half-lloq"` or a number in the unit of the assay.

    Parameters
    ----------
    first, middle, last : rule
        Samples up to the first, between, and from the last quantifiable sample on.
    before_tmax, after_tmax : rule, optional
        Classes by Tmax instead (a sample at Tmax is after it); the one not given is `"keep"`.

    Examples
    --------
    >>> BlqRules(middle="keep").middle
    'keep'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first: BlqRule = "keep"
    middle: BlqRule = "drop"
    last: BlqRule = "keep"
    before_tmax: BlqRule | None = None
    after_tmax: BlqRule | None = None

    @field_validator("*")
    @classmethod
    def _not_negative(cls, rule: BlqRule | None) -> BlqRule | None:
        if isinstance(rule, float | int) and rule < 0:
            raise ValueError(f"a value below the limit cannot be replaced by a negative number, got {rule}")
        return rule

    @model_validator(mode="after")
    def _one_kind_of_class(self) -> Self:
        by_tmax = self.before_tmax is not None or self.after_tmax is not None
        if by_tmax and (self.first, self.middle, self.last) != ("keep", "drop", "keep"):
            raise ValueError("give first, middle, last or before_tmax, after_tmax, not both")
        return self


class LambdaZRules(BaseModel):
    """How the terminal slope is found.

    Parameters
    ----------
    min_points : int
        Fewest quantifiable samples on the line, at least 2.
    include_tmax : bool
        Whether the sample at Tmax may lie on it.
    tolerance : float
        Windows whose adjusted R-squared is within this of the best compete; most samples win.
    slope_rule : {"negative-only", "any"}
        Seek the best among falling windows, or among all (PKNCA).
    window : (float, float), optional
        Fit all quantifiable samples in this closed range of days instead.
    points : tuple of float, optional
        Fit the quantifiable samples at these days instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_points: int = Field(default=3, ge=2)
    include_tmax: bool = False
    tolerance: float = Field(default=1e-4, ge=0)
    slope_rule: Literal["negative-only", "any"] = "negative-only"
    window: tuple[float, float] | None = None
    points: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.window is not None and self.points is not None:
            raise ValueError("give window or points, not both")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"window must be (start, end) with start < end, got {self.window}")
        return self


class FlagRules(BaseModel):
    """When a parameter is flagged beside its value; the value itself always stands. None turns one off.

    Parameters
    ----------
    min_adj_r_squared : float or None
        Least adjusted R-squared of the terminal slope (`R2ADJ_LOW`).
    min_span_ratio : float or None
        Least length of the terminal window in half-lives (`SPAN_SHORT`).
    max_extrap_percent : float or None
        Most of the area to infinity after the last quantifiable sample, in % (`EXTRAPOLATION_HIGH`).
    max_beyond_tlast_percent : float or None
        Most of the area of a window after the last quantifiable sample, in % (`BEYOND_TLAST_HIGH`).
    second_peak_fold : float or None
        Least rise above the lowest sample since Tmax that counts as re-expansion (`SECOND_PEAK`).
    missing_planned : bool
        Whether a sample without a result beside Tmax or after Tlast is flagged (`CMAX_BESIDE_MISSING`,
        `TLAST_BEFORE_MISSING`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_adj_r_squared: float | None = Field(default=0.9, ge=0, le=1)
    min_span_ratio: float | None = Field(default=2.0, ge=0)
    max_extrap_percent: float | None = Field(default=20.0, ge=0, le=100)
    max_beyond_tlast_percent: float | None = Field(default=20.0, ge=0, le=100)
    second_peak_fold: float | None = Field(default=2.0, gt=1)
    missing_planned: bool = True


class NcaRules(BaseModel):
    """The choices of the statistical analysis plan that change kinetics numbers.

    Parameters
    ----------
    auc_method : {"lin-up-log-down", "linear", "lin-log"}
        Trapezoids.
    windows : tuple of (start, end)
        Windows of partial areas in days; `auc_window` is the first.
    tail : {"auto", "stop", "triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix"}
        What lies between the last quantifiable sample and the end of a window.
    start : {"auto", "require-sample", "zero"}
        Without a sample on day 0: the last one before moves there, else 0 is assumed; no area; 0 is assumed.
    blq : BlqRules
        Samples below the limit of quantification.
    lambda_z : LambdaZRules
        Terminal slope.
    duplicates : {"error", "mean", "geo-mean", "max", "first"}
        Several results at one time. With `error` the profile is not used.
    tmax : {"first", "last"}
        Which of equal maxima.
    time : {"actual", "nominal"}
        `day` or `nominal_day`.
    visit_tolerance : float
        Days around the end of a window within which the sample nearest to it is the visit: the window then
        ends with that sample. 0 ends it on the day.
    visit_end : {"sampled", "scaled"}
        A window that was moved to its visit: the area as sampled, or scaled to the length of the window.
    flags : FlagRules
        When a parameter is flagged; flags never hide a value.
    infusion_no : int, optional
        Only this infusion. None: every infusion in `nca`, the first in `exposure` and `persistence`.
    quantile_type : {2, 6, 7}
        Definition of quartiles (2 = SAS, 7 = R).
    conf_level : float
        Level of confidence intervals.

    Examples
    --------
    >>> NcaRules(tail="stop").windows
    ((0.0, 28.0),)
    >>> NcaRules.pknca(auc_method="linear").start
    'require-sample'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    auc_method: Literal["lin-up-log-down", "linear", "lin-log"] = "lin-up-log-down"
    windows: tuple[tuple[float, float], ...] = Field(default=((0.0, 28.0),), min_length=1)
    tail: Literal["auto", "stop", "triangle", "triangle-peer", "lambda-z-obs", "lambda-z-pred", "phoenix"] = (
        "auto"
    )
    start: Literal["auto", "require-sample", "zero"] = "auto"
    blq: BlqRules = BlqRules()
    lambda_z: LambdaZRules = LambdaZRules()
    duplicates: Literal["error", "mean", "geo-mean", "max", "first"] = "error"
    tmax: Literal["first", "last"] = "first"
    time: Literal["actual", "nominal"] = "actual"
    visit_tolerance: float = Field(default=0.0, ge=0)
    visit_end: Literal["sampled", "scaled"] = "sampled"
    flags: FlagRules = FlagRules()
    infusion_no: int | None = Field(default=None, ge=1)
    quantile_type: Literal[2, 6, 7] = 2
    conf_level: float = Field(default=0.95, gt=0, lt=1)

    @field_validator("windows")
    @classmethod
    def _windows_run_forward(
        cls, windows: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        for start, end in windows:
            if not 0 <= start < end:
                raise ValueError(f"a window needs 0 <= start < end, got ({start:g}, {end:g})")
        if len(set(windows)) < len(windows):
            raise ValueError("a window stands twice")
        return windows

    @classmethod
    def pknca(cls, **changes: Any) -> Self:
        """Rules of R package PKNCA: a sample on day 0 is required, the best slope is sought among all."""
        slope = _preset(LambdaZRules, changes.pop("lambda_z", None), slope_rule="any")
        return cls(**{"start": "require-sample", **changes}, lambda_z=slope)

    @classmethod
    def noncompart(cls, **changes: Any) -> Self:
        """Rules of R package NonCompart: BLQ is 0 everywhere, 0 on day 0, partial areas as in Phoenix."""
        blq = _preset(BlqRules, changes.pop("blq", None), middle="keep")
        return cls(**{"start": "zero", "tail": "phoenix", **changes}, blq=blq)

    def choices(self) -> Choices:
        """The rules as the array kernel takes them."""
        blq = {f"blq_{name}": rule for name, rule in self.blq}
        slope = {f"lambda_z_{name}": choice for name, choice in self.lambda_z}
        plain = (
            "auc_method", "windows", "tail", "start", "duplicates", "tmax", "visit_tolerance", "visit_end",
        )  # fmt: skip
        return Choices(**{name: getattr(self, name) for name in plain}, **blq, **slope)


USUAL = NcaRules()


def _preset(model: type[BaseModel], given: Any, **preset: Any) -> Any:
    """The nested rules that were given, the preset where they are silent."""
    if given is None:
        return model(**preset)
    rules = model.model_validate(given)
    if isinstance(rules, BlqRules) and (rules.before_tmax is not None or rules.after_tmax is not None):
        return rules
    silent = {name: value for name, value in preset.items() if name not in rules.model_fields_set}
    return rules.model_copy(update=silent)
