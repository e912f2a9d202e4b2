"""Quality gates of ``quiver evaluate``: a baseline written, or a run held against one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quiver.evaluate.gate import Measured, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """What the command line says about baselines."""

    gate: Path | None
    write_baseline: Path | None
    allowed_loss: float | None

    def apply(self, scores: "Sequence[Measured]") -> None:
        """Hold the scores against a baseline, then write one; raises ShortOfBaseline after printing both."""
        from quiver.evaluate.gate import ALLOWED_LOSS, write_baseline

        if self.gate is not None:
            self._hold(scores, self.gate)
        if self.write_baseline is not None:
            allowed = ALLOWED_LOSS if self.allowed_loss is None else self.allowed_loss
            write_baseline(self.write_baseline, scores, allowed_loss=allowed)

    def _hold(self, scores: "Sequence[Measured]", gate: Path) -> None:
        from dataclasses import replace

        from quiver.errors import ShortOfBaseline
        from quiver.evaluate.gate import judge, read_baseline

        baseline = read_baseline(gate)
        if self.allowed_loss is not None:
            baseline = replace(baseline, allowed_loss=self.allowed_loss)
        verdicts = judge(baseline, scores)
        _write_verdicts(verdicts)
        short = [verdict for verdict in verdicts if not verdict.passed]
        if short:
            raise ShortOfBaseline(
                f"{len(short)} of {len(verdicts)} scores are missing or more than {baseline.allowed_loss:g} "
                f"below {gate}; if that is meant, make a new one with --write-baseline"
            )


def gate_options(
    gate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Fail if a score is further below this baseline than it allows."),
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the model's scores as a baseline.")
    ] = None,
    allow_loss: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="X",
            help="How far below the baseline a score may be; kept in a written one. 0.005 if not given.",
        ),
    ] = None,
) -> GateOptions:
    """Gather the options about baselines."""
    return GateOptions(gate=gate, write_baseline=write_baseline, allowed_loss=allow_loss)


def _write_verdicts(verdicts: "Sequence[Verdict]") -> None:
    from quiver.cli.tables import Column, write_table
    from quiver.cli.target import open_target

    columns = [
        Column("set"),
        Column("variant"),
        *(Column(name, align="right") for name in ("baseline", "now", "change", "95 %")),
        Column(""),
    ]
    with open_target(None) as target:
        target.write(b"\n")
        write_table(target, columns, map(_row, verdicts))


def _row(verdict: "Verdict") -> Sequence[str]:
    change = verdict.change
    return (
        verdict.baseline.set,
        verdict.baseline.variant,
        f"{verdict.baseline.score:.4f}",
        "missing" if verdict.score is None else f"{verdict.score:.4f}",
        "–" if verdict.score is None else f"{-verdict.loss:+.4f}",
        "–" if change is None else f"{change.low:+.4f} … {change.high:+.4f}",
        "ok" if verdict.passed else "short",
    )
