"""Writes the report of a demo run: one HTML file with embedded pictures."""

import base64
import html
from pathlib import Path

from experiments.demo import pictures as pictures_module
from experiments.harness.result import Result, mean, number, round_mean, table
from experiments.harness.study import Study
from fewlabel.wording import amount

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
body { color: #1c2330; }
h1 { margin-bottom: 0.2rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid #d8dde6; }
table { border-collapse: collapse; } th, td { padding: 0.25rem 0.8rem; border-bottom: 1px solid #e4e8ef; }
th { text-align: left; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } code, pre { background: #f3f5f9; padding: 0.15rem 0.35rem; border-radius: 4px; }
pre { padding: 0.8rem; overflow-x: auto; } .big { font-size: 1.5rem; } .muted { color: #5b6475; }
.bad { color: #b3261e; } .good { color: #1b7f3b; }
"""


def write_report(result: Result, study: Study, path: Path) -> Path:
    """Write the report to `path` from what a run recorded and from its predictions on disk."""
    sections = [
        _headline(result),
        _numbers(result),
        _overlays(result, study),
        _choices(result, study),
        _bundle(result, study),
        _facts(result),
    ]
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>FewLabel demo</title>"
        f"<style>{STYLE}</style><body>{''.join(sections)}</body></html>"
    )
    path.write_text(page, encoding="utf-8")
    return path


def picture(png: bytes, text: str) -> str:
    """An image element with embedded data."""
    return f"<img alt='{html.escape(text)}' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"


def rows_to_html(rows: list[list[str]]) -> str:
    """A table from text cells; the first row is the header."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td class='number'>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _headline(result: Result) -> str:
    cases = result.evaluated()
    first, last = (round_mean(done, cases, result.classes) for done in (result.rounds[0], result.rounds[-1]))
    return (
        "<h1>FewLabel demo</h1>"
        f"<p class='muted'>{amount(result.cases, 'scan')}, {amount(len(result.rounds), 'round')}; classes: "
        f"{html.escape(', '.join(result.classes))}</p>"
        f"<p class='big'>Mean Dice {number(first)} with {amount(result.rounds[0].labels, 'label')} &rarr; "
        f"<b>{number(last)}</b> with {amount(result.rounds[-1].labels, 'label')}</p>"
        f"<p>Measured on {amount(len(cases), 'case')} never labelled. Their images, not their labels, were "
        "in the pool of unlabelled scans that the training reads.</p>"
    )


def _numbers(result: Result) -> str:
    curve = picture(pictures_module.learning_curve(result), "learning curve")
    notes = "".join(
        f"<li>{amount(done.labels, 'label')}: {html.escape(_said(done.training))}</li>"
        for done in result.rounds
    )
    numbers = rows_to_html(table(result))
    return f"<h2>Learning curve</h2>{curve}{numbers}<p>Notes of the trainings:</p><ul>{notes}</ul>"


def _said(training: dict) -> str:
    line = training.get("line")
    return " ".join([*([f"{line[:1].upper()}{line[1:]}."] if line else []), *(training.get("notes") or [])]) or "-"


def _overlays(result: Result, study: Study) -> str:
    cases = result.evaluated()
    if not cases:
        return "<h2>Pictures</h2><p>All measured cases were labelled in the end: there is nothing to show.</p>"
    after = {case: mean(list(result.rounds[-1].dice[case].values())) for case in cases}
    ranked = sorted(cases, key=lambda case: (after[case] if after[case] == after[case] else 2.0, case))
    chosen = {
        ranked[-1]: "best",
        ranked[len(ranked) // 2]: "median",
        ranked[0]: "worst",
    }  # fewer if few cases
    parts = ["<h2>Before and after, on cases that were never labelled</h2>"]
    parts.append(f"<p>Colours: {_legend(result.classes)}</p>")
    for case, rank in reversed(chosen.items()):
        before = mean(list(result.rounds[0].dice[case].values()))
        hard = f" &middot; hard: {html.escape(study.hard[case])}" if case in study.hard else ""
        parts.append(f"<h3>{rank}: {html.escape(case)}{hard}</h3>")
        parts.append(f"<p>Dice {number(before)} &rarr; {number(after[case])}</p>")
        maps = {amount(done.labels, "label"): _prediction(result, done, case) for done in _first_and_last(result)}
        png = pictures_module.overlays(study.image(case), maps, study.truth[case], study.classes)
        parts.append(picture(png, f"{case}: image, reference, predictions, errors"))
    return "".join(parts)


def _first_and_last(result: Result) -> list:
    return [result.rounds[0], result.rounds[-1]] if len(result.rounds) > 1 else result.rounds


def _prediction(result: Result, done, case: str) -> Path:
    return Path(result.folders["predictions"]) / f"labels_{done.labels:03d}" / f"{case}.nii.gz"


def _legend(classes: list[str]) -> str:
    colours = pictures_module.COLOURS
    return ", ".join(
        f"<b style='color:{colours[index % len(colours)]}'>{html.escape(name)}</b>"
        for index, name in enumerate(classes)
    )


def _choices(result: Result, study: Study) -> str:
    rows = ["<tr><th>round</th><th>case</th><th></th><th>why the server asked for it</th><th>score</th></tr>"]
    for turn, done in enumerate(result.rounds, start=1):
        for choice in done.choices:
            png = pictures_module.thumbnail(study.image(choice.id), study.truth[choice.id])
            score = "-" if choice.score is None else f"{choice.score:.3f}"
            hard = f"<br><span class='muted'>hard: {html.escape(choice.hard)}</span>" if choice.hard else ""
            rows.append(
                f"<tr><td class='number'>{turn}</td><td>{html.escape(choice.id)}{hard}</td>"
                f"<td>{picture(png, choice.id)}</td><td>{html.escape(choice.reason or 'not given')}</td>"
                f"<td class='number'>{score}</td></tr>"
            )
    return f"<h2>Which cases were labelled, and why</h2><table>{''.join(rows)}</table>"


def _bundle(result: Result, study: Study) -> str:
    parts = ["<h2>The exported bundle against the server</h2>"]
    if not result.comparisons:
        return parts[0] + "<p class='bad'>The bundle was not run.</p>"
    equal = sum(each.equal for each in result.comparisons)
    total = len(result.comparisons)
    mark = "good" if equal == total else "bad"
    parts.append(f"<p class='{mark}'>Voxel for voxel the same label map in {equal} of {total} cases.</p>")
    rows = [["case", "voxels", "different", "same grid"]]
    rows += [[e.case, f"{e.voxels:,}", str(e.different), "yes" if e.same_grid else "no"] for e in result.comparisons]
    parts.append(rows_to_html(rows))
    for each in sorted(result.comparisons, key=lambda each: -each.different)[:2]:
        if each.same_grid:
            files = Path(each.server), Path(each.bundle)
            png = pictures_module.comparison(study.image(each.case), *files, each.different)
            parts.append(picture(png, f"{each.case}: server, bundle, difference"))
    return "".join(parts)


def _facts(result: Result) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td><code>{html.escape(value)}</code></td></tr>"
        for name, value in result.facts.items()
    )
    return f"<h2>How it was done</h2><table>{rows}</table>"
