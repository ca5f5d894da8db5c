"""The document of `hjemvakt triage evaluate` as a picture: time-matched AUROCs, and what the alert budgets bring."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitals.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = (".png", ".svg", ".pdf")


def check(path: Path) -> None:
    """Raises ConfigError for a name that no picture can have."""
    if path.suffix not in ENDINGS:
        raise ConfigError(f"{path} has no ending that says what picture it is", f"use {', '.join(ENDINGS)}")
    if not path.resolve().parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}", "make it, or correct --plot")


def draw(path: Path, document: dict[str, Any]) -> None:
    """Draw `document` into `path`. Raises StoreError where it cannot be written."""
    from matplotlib.figure import Figure  # heavy, and needed for a picture alone; a Figure by itself wants no screen

    scores = document["scores"]
    figure = Figure(figsize=(11, 1.8 + 0.45 * len(scores)), layout="constrained")
    left, right = figure.subplots(1, 2)
    _areas(left, scores)
    _alerts(right, scores)
    figure.suptitle(f"{document['file']}: {document['label']} within {document['horizon_h']:g} h. Research only.")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror})", "look at the folder and the disk") from error


def _areas(axes: "Axes", scores: list[dict[str, Any]]) -> None:
    for kind, marker, shift in (("auroc_time_matched", "o", 0.0), ("auroc", "x", 0.22)):
        for place, score in enumerate(scores):
            area, colour = score[kind], "C0" if marker == "o" else "C7"
            if area["value"] is not None:
                axes.plot(area["value"], place + shift, marker, color=colour)
            if area["low"] is not None and area["high"] is not None:
                axes.plot([area["low"], area["high"]], [place + shift] * 2, color=colour, linewidth=1)
    axes.axvline(0.5, color="C7", linewidth=0.5)
    axes.set_yticks(range(len(scores)), [score["score"] for score in scores])
    axes.invert_yaxis()
    axes.set_xlabel("AUROC with 95 % interval: time-matched (dot), raw (cross)")


def _alerts(axes: "Axes", scores: list[dict[str, Any]]) -> None:
    for score in scores:
        found = [alerts for alerts in score["alerts"] if alerts["threshold"] is not None and alerts["ppv"] is not None]
        axes.plot(
            [100 * alerts["sensitivity"] for alerts in found], [100 * alerts["ppv"] for alerts in found], "o-",
            label=score["score"],
        )  # fmt: skip
        for alerts in found:
            axes.annotate(f"{alerts['budget']:g}", (100 * alerts["sensitivity"], 100 * alerts["ppv"]), fontsize=7)
    axes.set_xlabel("sensitivity per patient, % (number: episodes per 100 patient-days)")
    axes.set_ylabel("PPV per episode, %")
    axes.legend(fontsize=8)
