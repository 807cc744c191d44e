"""The command line: what is asked for, and errors a statistician understands.

Here: arguments, progress, what is printed and with which exit code. Not here: any work.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cart7._version import __version__

if TYPE_CHECKING:
    from cart7.designs import Design
    from cart7.plan import Plan
    from cart7.study import Study

FORMATS = ("html", "rtf", "docx")
EXPORTS = ("ard", "ars")
FIGURES = (".png", ".svg", ".pdf")
BROKEN_PIPE, INTERRUPTED = 141, 130
_STUDY = "folder of the study's tables or of ADaM data sets, or example"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it went (0 well, 1 found something, 2 could not).

    Examples
    --------
    >>> main(["check", "example"])
    no problem found in 14 tables, 3187 rows
    0
    """
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(options)
        print(end="", flush=True)
        return code
    except BrokenPipeError:
        # Nobody reads any more (`cart7 check STUDY | head`); nor may the interpreter's own last flush fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"cart7: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cart7: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    """The command's exit code; an error of the study, plan or manifest is told as text."""
    from cart7.errors import Cart7Error, DataError

    try:
        _check_places(options)
        return int(options.run(options))
    except DataError as error:
        errors = [problem for problem in error.problems if problem.severity == "error"]
        count = f"{len(errors)} problem{'' if len(errors) == 1 else 's'}"
        print("\n  ".join([f"cart7: {count} in the data:", *map(str, errors)]), file=sys.stderr)
    except Cart7Error as error:
        print(f"cart7: {error}", file=sys.stderr)
    return 2


def _check_places(options: argparse.Namespace) -> None:
    """Names of files and folders stand on the page and in the manifest, which are UTF-8."""
    from cart7.errors import Cart7Error

    for word in vars(options).values():
        if isinstance(word, str) and word != word.encode("utf-8", "replace").decode("utf-8"):
            raise Cart7Error(f"the name {word!a} is not UTF-8 text; rename it")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cart7", description="Endpoints of a CAR-T phase I trial. For research, not medical advice."
    )
    parser.add_argument("--version", action="version", version=f"cart7 {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    report = commands.add_parser("report", help="analyse a study and write its report, results and manifest")
    report.add_argument("study", metavar="STUDY", help=_STUDY)
    report.add_argument(
        "--plan", metavar="FILE", help="analysis plan (default: STUDY/plan.toml, else defaults)"
    )
    report.add_argument("--out", metavar="DIR", default="cart7-report", help="folder to write into")
    report.add_argument(
        "--format", type=_formats, default=("html",), metavar="html,rtf,docx", help="pages to write"
    )
    report.add_argument("--on-problem", choices=("raise", "report"), default="raise",
                        help="stop at data errors, or set their rows aside and list them")  # fmt: skip
    report.add_argument("--also", type=_exports, default=(), metavar="ard,ars",
                        help="exchange files to write: ARD (csv and json), CDISC ARS (json)")  # fmt: skip
    report.set_defaults(run=_report)

    check = commands.add_parser("check", help="print every data problem of a study")
    check.add_argument("study", metavar="STUDY", help=_STUDY)
    check.add_argument("--json", action="store_true", help="print all findings as JSON")
    check.add_argument("--html", metavar="FILE", help="write the findings into one page")
    check.add_argument(
        "--all", action="store_true", help="list all findings of every rule, not the first 200"
    )
    check.set_defaults(run=_check)

    verify = commands.add_parser("verify", help="compute again and compare with a manifest")
    verify.add_argument("manifest", metavar="MANIFEST", help="the manifest.json of a report, or its folder")
    _add_comparison(verify)
    verify.add_argument("--strict", action="store_true",
                        help="exit 1 also when a file of the run was changed or removed")  # fmt: skip
    verify.set_defaults(run=_verify)

    diff = commands.add_parser("diff", help="what differs between two runs: data, plan, versions, numbers")
    diff.add_argument("a", metavar="A", help="the manifest.json of a report, or its folder")
    diff.add_argument("b", metavar="B", help="that of a later one")
    _add_comparison(diff)
    diff.add_argument("--csv", metavar="FILE", help="write every number that moved into a CSV file")
    diff.add_argument("--most", type=int, default=10, metavar="N",
                      help="numbers shown of each endpoint, and rows of each table (10)")  # fmt: skip
    diff.set_defaults(run=_diff)

    following = commands.add_parser(
        "next-dose", help="the decision for the next cohort under the plan's design"
    )
    following.add_argument("study", metavar="STUDY", help=_STUDY)
    following.add_argument(
        "--plan", metavar="FILE", help="analysis plan with a [design] (default: STUDY/plan.toml)"
    )
    known = "planned dose levels (default: the design's, else the highest assigned)"
    following.add_argument("--levels", type=int, metavar="N", help=known)
    following.set_defaults(run=_next_dose)

    simulate = commands.add_parser("simulate", help="how often the plan's design selects each level")
    simulate.add_argument("plan", metavar="PLAN", help="analysis plan with a [design]")
    simulate.add_argument("--true-dlt", action="append", type=_rates, metavar="P1,P2,...",
                          help="true DLT rates of a scenario; may be repeated (default: each level in "
                          "turn at the target)")  # fmt: skip
    simulate.add_argument(
        "--levels", type=int, default=3, metavar="N", help="levels of the default scenarios (3)"
    )
    simulate.add_argument("--cohorts", type=int, default=6, metavar="N", help="most cohorts of a trial (6)")
    simulate.add_argument("--cohort-size", type=int, default=3, metavar="N", help="subjects of a cohort (3)")
    simulate.add_argument("--trials", type=int, default=10_000, metavar="N", help="simulated trials (10000)")
    simulate.add_argument("--mcse", type=float, metavar="X",
                          help="stop once every selection has this Monte-Carlo error; --trials is then the "
                          "most")  # fmt: skip
    simulate.add_argument("--true-response", type=_rates, metavar="P1,P2,...",
                          help="true response rates, for designs that use them")  # fmt: skip
    simulate.add_argument("--backfill", type=int, metavar="N",
                          help="subjects added below with every cohort (none)")  # fmt: skip
    simulate.add_argument("--backfill-max", type=int, default=12, metavar="N",
                          help="no level is filled beyond so many subjects (12)")  # fmt: skip
    simulate.add_argument("--figure", metavar="FILE", help="draw the scenarios into a .png, .svg or .pdf")
    simulate.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="workers (1); the numbers stay the same"
    )
    simulate.set_defaults(run=_simulate)

    export = commands.add_parser("export", help="write a study and its results as ADaM-like data sets")
    export.add_argument("study", metavar="STUDY", help=_STUDY)
    export.add_argument(
        "--plan", metavar="FILE", help="analysis plan (default: STUDY/plan.toml, else defaults)"
    )
    export.add_argument("--out", metavar="DIR", default="cart7-adam", help="folder to write into")
    export.set_defaults(run=_export)

    validate = commands.add_parser(
        "validate", help="run the shipped reference suite on this installation and report it"
    )
    validate.add_argument("--json", metavar="FILE", help="write the report as JSON too")
    validate.add_argument("--html", metavar="FILE", help="write the report as one page too")
    validate.add_argument("--only", metavar="AREA", help="one area (PK) or one requirement (PK-001)")
    validate.set_defaults(run=_validate)

    init = commands.add_parser("init", help="write a commented analysis plan with every rule")
    init.add_argument(
        "file", metavar="FILE", nargs="?", default="plan.toml", help="file to write (plan.toml)"
    )
    init.set_defaults(run=_init)
    return parser


def _formats(text: str) -> tuple[str, ...]:
    return _chosen(text, FORMATS)


def _add_comparison(command: argparse.ArgumentParser) -> None:
    """The options of both comparing commands."""
    command.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    command.add_argument("--rtol", type=_tolerance, default=1e-9, metavar="R",
                         help="relative difference below which numbers are the same (1e-9)")  # fmt: skip


def _tolerance(text: str) -> float:
    try:
        rtol = float(text)
    except ValueError:
        rtol = -1.0
    if not 0 <= rtol < float("inf"):
        raise argparse.ArgumentTypeError(f"a number from 0; got {text!r}")
    return rtol


def _exports(text: str) -> tuple[str, ...]:
    return _chosen(text, EXPORTS)


def _chosen(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Words separated by commas, each once, all of them known."""
    chosen = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    if not chosen or not set(chosen) <= set(known):
        raise argparse.ArgumentTypeError(f"one or more of {', '.join(known)}; got {text!r}")
    return chosen


def _rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"rates separated by commas; got {text!r}") from None
    if not all(0 <= rate <= 1 for rate in rates):
        raise argparse.ArgumentTypeError(f"rates from 0 to 1; got {text!r}")
    return rates


# ---- commands -----------------------------------------------------------------------------------


def _report(options: argparse.Namespace) -> int:
    from cart7 import manifest
    from cart7.errors import Cart7Error

    plan = _plan_of(options.study, options.plan)
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise Cart7Error(f"--out {out} is a file; name a folder")
    progress = _Progress()
    page = manifest.write_report(
        _tables_of(options.study, out / "study", options.on_problem),
        plan,
        out,
        formats=options.format,
        also=options.also,
        on_problem=options.on_problem,
        progress=progress.tell,
    )
    progress.end()
    print(page)
    return 0


def _tables_of(study: str, place: Path, on_problem: str) -> str:
    """The folder of tables to report on; ADaM data sets become one in `place`, beside the report."""
    if not _is_adam(study):
        return study
    from cart7.cdisc.adam_tables import FINDINGS, write_tables

    read = _study_of(study, on_problem="report" if on_problem == "report" else "raise")
    print(
        f"note: {len(read.problems)} findings of the ADaM data sets stand in {place / FINDINGS}",
        file=sys.stderr,
    )
    return str(write_tables(read, place))


def _is_adam(study: str) -> bool:
    """Whether a folder holds ADSL and no table of subjects."""
    from cart7 import manifest

    folder = manifest.study_folder(study)
    names = {path.stem.lower() for path in folder.iterdir()} if folder.is_dir() else set()
    return "adsl" in names and "subjects" not in names


def _study_of(study: str, on_problem: Literal["raise", "report"] = "raise") -> "Study":
    """The study of a folder of tables, or of ADaM data sets with the mapping.toml beside them."""
    from cart7 import manifest
    from cart7.cdisc.adam_reading import read_adam
    from cart7.study import read_study

    if _is_adam(study):
        own = Path(study) / "mapping.toml"
        return read_adam(study, mapping=own if own.exists() else None, on_problem=on_problem)
    return read_study(manifest.study_folder(study), on_problem=on_problem)


def _export(options: argparse.Namespace) -> int:
    from cart7 import analysis
    from cart7.cdisc.adam_writing import write_adam
    from cart7.errors import Cart7Error

    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise Cart7Error(f"--out {out} is a file; name a folder")
    plan = _plan_of(options.study, options.plan)
    progress = _Progress()
    found = analysis.analyse(_study_of(options.study), plan, progress=progress.tell)
    progress.end()
    write_adam(found, out)
    print(out)
    return 0


def _plan_of(study: str, named: str | None) -> "Plan":
    """The plan named, else the one beside the study, else the defaults."""
    from cart7 import manifest
    from cart7.plan import Plan, read_plan

    if named is not None:
        return read_plan(named)
    beside = manifest.study_folder(study) / "plan.toml"
    return read_plan(beside) if beside.exists() else Plan()


def _check(options: argparse.Namespace) -> int:
    from cart7.errors import DataError
    from cart7.report import findings

    try:
        study = _study_of(options.study, on_problem="report")
    except DataError as error:
        if options.json:
            print(findings.as_json(error.to_frame()))
        raise
    shown = None if options.all else findings.SHOWN
    if options.html is not None:
        name = options.study if options.study == "example" else Path(options.study).resolve().name
        text = findings.page(study.problems, study.accounting, name=name, shown=shown)
        Path(options.html).write_text(text, encoding="utf-8", newline="\n")
    if options.json:
        print(findings.as_json(study.problems, study.accounting))
    else:
        print("\n".join(findings.lines(study.problems, study.accounting, shown=shown)))
    return int((study.problems["severity"] == "error").any())


def _is_missing(item: object) -> bool:
    import pandas as pd

    return item is None or item is pd.NA or (isinstance(item, float) and item != item)


def _verify(options: argparse.Namespace) -> int:
    from cart7 import manifest
    from cart7.errors import VerificationError
    from cart7.manifest import wording

    try:
        found = manifest.verify(options.manifest, rtol=options.rtol)
    except VerificationError as error:
        if options.json:
            print(wording.failure_json(wording.VERIFICATION_SCHEMA, str(error), manifest=options.manifest))
        raise
    if options.json:
        print(wording.verification_json(found, options.manifest))
    else:
        print("\n".join(wording.told(found)))
    for name, (then, now) in found.versions.items():
        print(f"note: {name} was {wording.plain(then) or 'not recorded'}, is {now}", file=sys.stderr)
    return int(not found.reproduced or (options.strict and len(found.outputs) > 0))


def _diff(options: argparse.Namespace) -> int:
    from cart7 import manifest
    from cart7.errors import Cart7Error, VerificationError
    from cart7.manifest import wording

    if options.most < 0:
        raise Cart7Error(f"--most must be at least 0, got {options.most}")
    try:
        found = manifest.compare_runs(options.a, options.b, rtol=options.rtol)
    except VerificationError as error:
        if options.json:
            print(wording.failure_json(wording.DIFFERENCE_SCHEMA, str(error), a=options.a, b=options.b))
        raise
    if options.csv is not None:
        Path(options.csv).write_bytes(manifest.csv_bytes(found.numbers))
    if options.json:
        print(wording.difference_json(found, options.a, options.b))
    else:
        print("\n".join(wording.difference_lines(found, most=options.most)))
    return int(not found.same)


def _design_of(plan: "Plan") -> "Design":
    from cart7.errors import PlanError

    if plan.design is None:
        raise PlanError('the plan states no [design], for example: [design] kind = "Boin" target = 0.3')
    return plan.design


def _next_dose(options: argparse.Namespace) -> int:
    from cart7 import analysis, designs
    from cart7.errors import PlanError

    plan = _plan_of(options.study, options.plan)
    design = _design_of(plan)
    if options.levels is not None and options.levels < 1:
        raise PlanError(f"--levels must be at least 1, got {options.levels}")
    state = analysis.dlt_state(_study_of(options.study), plan)
    try:
        found = designs.decide(
            design, *state, n_levels=options.levels, window_days=float(plan.dlt.window_days)
        )
    except ValueError as error:
        raise PlanError(str(error)) from error
    print(found.levels.to_string(index=False))
    decision = found.decision
    target = "no level" if decision.level is None else f"level {decision.level}"
    print(f"{type(design).__name__}, last cohort at level {found.current}: {decision.action}, {target}")
    print(f"because {decision.reason}")
    if decision.eliminated:
        print(f"not to be used: level {', '.join(map(str, decision.eliminated))}")
    if found.note:
        print(f"note: {found.note}")
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from cart7 import designs
    from cart7.errors import PlanError
    from cart7.plan import read_plan

    plan = read_plan(options.plan)
    design = _design_of(plan)
    _check_figure(options.figure)
    progress = _Progress()
    try:
        backfill = None
        if options.backfill is not None:
            backfill = designs.Backfill(per_cohort=options.backfill, max_n=options.backfill_max)
        found = designs.simulate_scenarios(
            design, _scenarios(design, options), n_trials=options.trials, cohort_size=options.cohort_size,
            n_cohorts=options.cohorts, rng=plan.seed, n_jobs=options.jobs, mcse=options.mcse,
            true_response=options.true_response, backfill=backfill, progress=progress.share,
        )  # fmt: skip
    except (ValueError, NotImplementedError) as error:
        raise PlanError(_plain(error)) from error
    finally:
        progress.end()
    _print_scenarios(found, design, plan, options)
    if options.figure is not None:
        found.plot().savefig(options.figure, bbox_inches="tight")
        print(f"\n{options.figure}")
    return 0


def _scenarios(design: "Design", options: argparse.Namespace) -> dict[str, tuple[float, ...]]:
    """The scenarios asked for, else each level in turn at the target."""
    from cart7 import designs

    given = {", ".join(f"{rate:g}" for rate in rates): rates for rates in options.true_dlt or ()}
    target = getattr(design, "target", getattr(design, "phi_t", 0.3))
    target = sum(target) / 2 if isinstance(target, tuple) else target
    levels = designs.design_levels(design) or max(options.levels, 1)
    return given or designs.standard_scenarios(target, levels)


def _check_figure(name: str | None) -> None:
    """Refuse a figure that could not be written before anything is simulated."""
    from cart7.errors import Cart7Error

    if name is None:
        return
    if Path(name).suffix.lower() not in FIGURES:
        raise Cart7Error(f"--figure {name}: the name must end in one of {', '.join(FIGURES)}")
    if not Path(name).parent.is_dir():
        raise Cart7Error(f"--figure {name}: there is no folder {Path(name).parent}")


def _plain(error: Exception) -> str:
    """An error's own words; those of a record without the frame around them."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']} (found {problem['input']!r})"
        for problem in error.errors()
    )


def _print_scenarios(found: Any, design: "Design", plan: "Plan", options: argparse.Namespace) -> None:
    """One line per scenario, then every number of each with its Monte-Carlo error."""
    results = found.results
    trials = sorted({result.n_trials for result in results.values()})
    count = f"{trials[0]} trials" if len(trials) == 1 else f"{trials[0]} to {trials[-1]} trials"
    print(f"{type(design).__name__}: {count} per scenario, at most {options.cohorts} cohorts of "
          f"{options.cohort_size}, seed {plan.seed}")  # fmt: skip
    if options.backfill is not None:
        print(f"backfill: {options.backfill} with every cohort, up to {options.backfill_max} at a level")
    table = found.table.copy()
    table["level"] = ["none" if _is_missing(level) else str(level) for level in table["level"]]
    wide = table.pivot_table(index="scenario", columns="level", values="selected", sort=False)
    sums = table.groupby("scenario", sort=False)[["n", "n_dlt"]].sum()
    errors = table.groupby("scenario", sort=False)["selected_mcse"].max()
    print("\nselected (largest Monte-Carlo error), subjects and DLTs of a trial")
    shown = wide.assign(error=errors, n=sums["n"], n_dlt=sums["n_dlt"]).rename_axis(None)
    print(shown.rename_axis(None, axis=1).to_string(float_format="{:.4f}".format))
    for name, part in table.groupby("scenario", sort=False):
        print(f"\n{name}")
        print(part.drop(columns="scenario").to_string(index=False, na_rep="",
              float_format="{:.4f}".format))  # fmt: skip


def _validate(options: argparse.Namespace) -> int:
    from cart7 import analysis, manifest, validation

    progress = _Progress()
    found = validation.validate(
        only=options.only, analyse=analysis.analyse, verify=manifest.verify,
        write_report=manifest.write_report, progress=progress.tell,
    )  # fmt: skip
    progress.end()
    print(found.to_text())
    for file, content in ((options.json, found.to_json), (options.html, found.to_html)):
        if file is not None:
            Path(file).write_text(content(), encoding="utf-8")
            print(file)
    return 0 if found.passed else 1


def _init(options: argparse.Namespace) -> int:
    from cart7.errors import Cart7Error
    from cart7.plan import Plan

    target = Path(options.file)
    if target.exists():
        raise Cart7Error(f"{target} is there already; name another file")
    target.write_text(Plan().to_toml(), encoding="utf-8")
    print(target)
    return 0


class _Progress:
    """The stage at work, on a terminal only."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()

    def tell(self, stage: str) -> None:
        if self.shown:
            print(f"\r\033[K{stage.replace('_', ' ')} ...", end="", file=sys.stderr, flush=True)

    def share(self, stage: str, done: float) -> None:
        """A bar of what is done, and the stage at work."""
        if self.shown:
            bar = ("#" * round(30 * done)).ljust(30, ".")
            print(f"\r\033[K[{bar}] {100 * done:3.0f} % {stage}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
