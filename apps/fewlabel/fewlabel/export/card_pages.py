"""The card of a model as Markdown and as one HTML page. Every name in it is data and is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fewlabel.export.escaping import markdown

Block = tuple[str, Any]
"""Kind and content: ``heading`` and ``text`` a text, ``list`` and ``warnings`` texts, ``table`` rows, head first."""

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2330}
table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #c8ced8;padding:.3rem .7rem;text-align:left}
th{background:#eef1f5}.warning{background:#fff3cd;border-left:4px solid #d39e00;padding:.5rem 1rem;margin:.4rem 0}
figure{display:inline-block;margin:0 1rem 1rem 0;vertical-align:top;max-width:18rem}img{width:100%}"""


def as_markdown(card: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        card: as ``fewlabel.export.card.contents`` makes it.
    """
    lines = [f"# {markdown(_title(card))}", ""]
    for kind, content in _blocks(card):
        if kind == "heading":
            lines += [f"## {markdown(content)}", ""]
        elif kind == "text":
            lines += [markdown(content), ""]
        elif kind == "table":
            lines += [*_markdown_table(content), ""]
        else:
            lines += [*(f"- {markdown(each)}" for each in content), ""]
    return "\n".join(lines)


def as_html(card: dict[str, Any], pictures: Sequence[tuple[str, str, float, bytes]] = ()) -> str:
    """The card as one HTML page that needs no other file and runs nothing.

    Args:
        card: as ``fewlabel.export.card.contents`` makes it.
        pictures: which case it is, its id, its mean Dice, PNG.
    """
    parts = [f"<h1>{html.escape(_title(card))}</h1>"]
    for kind, content in _blocks(card):
        if kind == "heading":
            parts.append(f"<h2>{html.escape(content)}</h2>")
        elif kind == "text":
            parts.append(f"<p>{html.escape(content)}</p>")
        elif kind == "table":
            parts.append(_html_table(content))
        elif kind == "warnings":
            parts += [f'<p class="warning">{html.escape(each)}</p>' for each in content]
        else:
            parts.append("<ul>" + "".join(f"<li>{html.escape(each)}</li>" for each in content) + "</ul>")
    if pictures:
        parts.append("<h2>Validation cases</h2><p>Drawn through: the submitted label. Dashed: the model.</p>")
        parts += [_figure(*each) for each in pictures]
    head = f'<meta charset="utf-8"><title>{html.escape(_title(card))}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _title(card: dict[str, Any]) -> str:
    return f"FewLabel model, version {card['version']}"


def _blocks(card: dict[str, Any]) -> list[Block]:
    learned, training, scans = card["learned_from"], card["training"], card["input"]
    published = f"Published {card['published']}. " if card["published"] else ""
    blocks: list[Block] = [
        ("text", f"{card['export']}. {published}{card['quality']}"),
        ("warnings", card["warnings"]),
        ("heading", "Classes"),
        ("table", [["Value", "Class"], *([str(each["value"]), each["name"]] for each in card["classes"])]),
        ("heading", "Intended input"),
        ("text", f"{scans['scans']}. {scans['like']}"),
        ("table", [["", ""], *_pairs(scans, ("spacing_mm", "crop_voxels", "normalisation", "window"))]),
        ("heading", "Quality"),
        *_quality(card["validation"]),
        ("heading", "Training"),
        ("text", f"{learned['labelled']} labelled and {learned['unlabelled']} unlabelled volumes."),
        ("table", _domains(card["domains"])),
        ("table", [["", ""], *_pairs(training, ("method", "about", "network", "candidate", "seconds", "steps"))]),
        ("table", [["Setting", ""], *_pairs(training["settings"], training["settings"])]),
        ("list", training["plan"]),
        ("heading", "Software"),
        ("table", [["Package", "Version"], *_pairs(card["software"], card["software"])]),
        ("heading", "Verification"),
        *_verification(card["verification"]),
    ]
    filled = [block for block in blocks if len(block[1]) > (block[0] == "table")]
    followed = [*(kind for kind, _ in filled[1:]), "heading"]
    return [block for block, after in zip(filled, followed, strict=True) if (block[0], after) != ("heading", "heading")]


def _domains(domains: dict[str, Any]) -> list[list[str]]:
    """A row for each scanner or site of the study's scans."""
    kinds = ("labelled", "unlabelled", "validation")
    rows = [[name, *(str(counts.get(kind)) for kind in kinds)] for name, counts in domains.items()]
    return [["Domain", "Labelled scans", "Unlabelled scans", "Validation scans"], *rows]


def _quality(validation: dict[str, Any]) -> list[Block]:
    head = ["Class", "Dice", "Cases", "95HD, mm", "Cases", "Seen where the label has none"]
    rows = [
        [
            each["name"],
            _spread(each["dice"], 3),
            "not known" if each["dice"]["cases"] is None else str(each["dice"]["cases"]),
            _spread(each["distance_mm"], 1),
            str(each["distance_mm"]["cases"]),
            str(each["seen_where_the_label_has_none"]),
        ]
        for each in validation["classes"]
    ]
    names = [each["name"] for each in validation["classes"]]
    cases = [
        [
            each["case"],
            *(_number(value, 3) for value in each["dice"]),
            *(_number(value, 1) for value in each["distance"]),
        ]
        for each in validation["cases"]
    ]
    blocks: list[Block] = [("text", validation["how"]), ("table", [head, *rows])]
    if cases:
        titles = [f"Dice of {name}" for name in names] + [f"95HD of {name}" for name in names]
        blocks += [("text", "Validated on:"), ("table", [["Case", *titles], *cases])]
    left_out = [f"{each['case']}: {each['reason']}" for each in validation["left_out"]]
    return [*blocks, ("text", "Could not be measured:"), ("list", left_out)] if left_out else blocks


def _verification(rows: list[dict[str, Any]] | None) -> list[Block]:
    if rows is None:
        return [("text", "Not verified.")]
    if not rows:
        return [("text", "Not verified: there was no image to run it on.")]
    head = ["Case", "Voxels", "Differing", "Largest difference of a probability", "Seconds"]
    table = [
        [
            row["case"],
            str(row["voxels"]),
            str(row["differing"]),
            "not known" if row["probability"] is None else f"{row['probability']:.2g}",
            f"{row['seconds']:.1f}",
        ]
        for row in rows
    ]
    dice = [
        [row["case"], each["name"], _number(each["dice"], 4)]
        for row in rows
        for each in row["dice"]
        if row["differing"]
    ]
    said = "Run by itself, without FewLabel, and compared with what the server gives for the same scans."
    blocks: list[Block] = [("text", said), ("table", [head, *table])]
    return [*blocks, ("table", [["Case", "Class", "Dice of both"], *dice])] if dice else blocks


def _spread(spread: dict[str, Any], digits: int) -> str:
    """``0.812 ± 0.031 (0.771 to 0.840)``."""
    if spread["mean"] is None:
        return "not known"
    if spread["deviation"] is None:
        return _number(spread["mean"], digits)
    least, most = _number(spread["least"], digits), _number(spread["most"], digits)
    return f"{_number(spread['mean'], digits)} ± {_number(spread['deviation'], digits)} ({least} to {most})"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _pairs(values: dict[str, Any], names: Iterable[str]) -> list[list[str]]:
    """Rows of a table; what is not known is left out."""
    known = [(name, values.get(name)) for name in names]
    return [[name.replace("_", " "), _value(value)] for name, value in known if value is not None]


def _value(value: Any) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _markdown_table(rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(_cell(each, markdown) for each in row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def _cell(text: str, escape: Callable[[str], str]) -> str:
    return escape(" ".join(text.split()))


def _html_table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["<tr>" + "".join(f"<th>{html.escape(each)}</th>" for each in head) + "</tr>"] if any(head) else []
    lines += ["<tr>" + "".join(f"<td>{html.escape(each)}</td>" for each in row) + "</tr>" for row in body]
    return "<table>" + "\n".join(lines) + "</table>"


def _figure(which: str, case: str, dice: float, png: bytes) -> str:
    said = html.escape(f"The {which}: {case}, Dice {dice:.3f}")
    data = base64.b64encode(png).decode("ascii")
    return f'<figure><img alt="{said}" src="data:image/png;base64,{data}"><figcaption>{said}</figcaption></figure>'
