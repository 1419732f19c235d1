"""One self-contained HTML page about runs or a sweep: opens from a disk, without a network or a server.

Words, tables and pictures are in the page as it is; the charts are drawn by the page's own script from data it
carries. The same results give the same page, byte for byte.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from ntnsim.report.groups import Point, points_of, scores_note
from ntnsim.report.page_data import gallery_rows, page_data, summary_rows
from ntnsim.report.style import COMPONENT_COLOURS, FAULT_COLOUR, PASS_COLOUR
from ntnsim.results.columns import COMPONENT_TITLES
from ntnsim.results.own_files import check_own_page, with_seal, write_own_page
from ntnsim.results.read import RunDirectory
from ntnsim.results.record import COMPONENTS
from ntnsim.results.way_down_text import way_down_text

# A table with more lines than this is cut: the rest is in sweep_summary.json.
MAX_SUMMARY_ROWS = 300


def write_page(runs: Sequence[RunDirectory], path: Path) -> None:
    """Write the page about *runs* to *path*; where that cannot be, nothing is read."""
    check_own_page(path)
    write_own_page(path, page(runs))


def page(runs: Sequence[RunDirectory]) -> str:
    """Return the page about *runs* as HTML."""
    provenance = runs[0].provenance()
    scenario = provenance["scenario"]
    points = points_of(runs)
    data = page_data(runs)
    title = str(scenario.get("name", "ntnsim"))
    body = "\n".join(
        part
        for part in (
            _header(title, scenario, points, runs),
            "<main>",
            _toggles(data),
            _summary(points, runs),
            _distributions(data),
            _breakdown() if data["breakdown"] else "",
            _maps(data),
            _load(data),
            _pareto(data),
            _timeline(data),
            _track(data),
            _gallery(gallery_rows(runs)),
            _sources(scenario, provenance, runs),
            "</main>",
        )
        if part
    )
    assets = files("ntnsim.report") / "assets"
    # "</" inside a script would end it; "<\/" means the same in JSON.
    carried = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace(
        "</", "<\\/"
    )
    return with_seal(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – ntnsim</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"<style>\n{(assets / 'page.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>\n{body}\n"
        f"<footer>ntnsim {escape(str(provenance.get('ntnsim')))}</footer>\n"
        f'<script type="application/json" id="data">{carried}</script>\n'
        f"<script>\n{(assets / 'page.js').read_text(encoding='utf-8')}</script>\n</body>\n</html>\n"
    )


def _header(
    title: str, scenario: Mapping[str, Any], points: Sequence[Point], runs: Sequence[RunDirectory]
) -> str:
    description = str(scenario.get("description") or "").strip()
    extent = "one run" if len(runs) == 1 else f"{len(runs)} runs of {len(points)} settings"
    return (
        f"<header><h1>{escape(title)}</h1>\n"
        + (f"<p>{escape(description)}</p>\n" if description else "")
        + f'<p class="soft">{extent}{_way_down(scenario)}</p></header>'
    )


def _way_down(scenario: Mapping[str, Any]) -> str:
    text = way_down_text(scenario["space"]) if "space" in scenario else ""
    return f"; way down: {escape(text)}" if text else ""


def _toggles(data: Mapping[str, Any]) -> str:
    buttons = "".join(
        f'<button type="button" data-scheme="{escape(scheme["name"])}" aria-pressed="true">{_swatch(scheme)}'
        f"{escape(scheme['name'])}</button>"
        for scheme in data["schemes"]
    )
    select = ""
    if len(data["points"]) > 1:
        options = "".join(
            f"<option>{escape(title)}</option>" for title in data["points"][: data["n_shown_points"]]
        )
        select = f'<label for="point">Setting:</label><select id="point">{options}</select>'
    return f'<nav class="toggles" aria-label="Schemes shown"><span>Show:</span>{buttons}{select}</nav>'


def _swatch(scheme: Mapping[str, Any]) -> str:
    dash = " ".join(str(1.6 * length) for length in scheme["dash"])
    return (
        '<svg width="26" height="8" aria-hidden="true"><line x1="0" x2="26" y1="4" y2="4" stroke-width="3" '
        f'stroke="{scheme["colour"]}" stroke-dasharray="{dash}"/></svg>'
    )


def _summary(points: Sequence[Point], runs: Sequence[RunDirectory]) -> str:
    rows = summary_rows(points)
    several = len(points) > 1
    if all(score == "–" for row in rows for score in (*row["pf"], *row["sf"])):
        rows = [{**row, "pf": [], "sf": []} for row in rows]  # nothing was scored: no columns of dashes
    n_ends = max((len(row["pf"]) for row in rows), default=0)
    ends = ["lowest rank", "highest rank"][:n_ends] if n_ends > 1 else ["whole image"][:n_ends]
    scored = [f"{score}, {end}" for score in ("PF", "SF") for end in ends]
    headings = [
        "scheme",
        "images",
        "mean delay (s)",
        "95th percentile (s)",
        "in time (%)",
        "savings (%)",
        *scored,
    ]
    lines = []
    for row in rows[:MAX_SUMMARY_ROWS]:
        cells = [
            row["images"],
            row["delay"],
            row["q95"],
            row["in_time"],
            row["savings"],
            *row["pf"],
            *row["sf"],
        ]
        lines.append(
            f'<tr data-of-scheme="{escape(row["scheme"])}">'
            + (f'<td class="name">{escape(row["point"])}</td>' if several else "")
            + f'<td class="name">{escape(row["scheme"])}</td>'
            + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
            + "</tr>"
        )
    head = "".join(
        f'<th class="{"name" if text in ("setting", "scheme") else ""}" scope="col">{escape(text)}</th>'
        for text in (["setting", *headings] if several else headings)
    )
    confidence = 100 * float(runs[0].summary()["confidence"])
    replicated = any(len(point.runs) > 1 for point in points)
    kind = "Student's t over replications" if replicated else "batches of consecutive images within the run"
    scores = f" {note}." if (note := scores_note(runs)) and scored else ""
    cut = ""
    if len(rows) > MAX_SUMMARY_ROWS:
        cut = f"<p>The first {MAX_SUMMARY_ROWS} of {len(rows)} lines; all are in sweep_summary.json.</p>"
    return (
        "<section><h2>Summary</h2>\n"
        f'<p class="soft">± is half of the {confidence:g} % confidence interval, from {kind}; of savings, PF and SF '
        "over pictures, since images and replications may show one again. Savings are against the file as captured. "
        f"Images that never arrived count as not in time.{escape(scores)}</p>\n"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Summary table"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>{cut}</section>"
    )


def _distributions(data: Mapping[str, Any]) -> str:
    cut = ""
    if data["n_shown_points"] < len(data["points"]):
        cut = f" Curves are drawn for the first {data['n_shown_points']} of {len(data['points'])} settings."
    curves = [curve for quantity in data["cdf"].values() for curve in quantity]
    banded = any(low is not None for curve in curves for low in curve["low"])
    shaded = "Shaded: confidence band. " if banded else ""
    return (
        '<section><h2>Delay and savings</h2><div class="charts">\n'
        + _chart(
            "delay-cdf", "Share of images that arrived within a delay. Lost images keep their curve below 1."
        )
        + _chart("savings-cdf", "Share of delivered images that saved at most this much.")
        + f'</div><p class="soft">{shaded}Point at a chart, or focus it and use the arrow keys, '
        f"for values.{cut}</p></section>"
    )


def _breakdown() -> str:
    legend = " ".join(
        f'<span style="white-space:nowrap"><span style="color:{COMPONENT_COLOURS[name]}">■</span> '
        f"{escape(COMPONENT_TITLES[name])}</span>"
        for name in COMPONENTS
    )
    chart = _chart("breakdown", "")
    return f"<section><h2>Where the delay goes</h2>{chart}<p>{legend}; striped: waiting.</p></section>"


def _maps(data: Mapping[str, Any]) -> str:
    if data["maps"] is None:
        return ""
    charts = "".join(
        _chart(f"map-{i}", quantity["label"]) for i, quantity in enumerate(data["maps"]["quantities"])
    )
    satellites = _chart("map-satellites", "What satellites carried (bit/s), the busiest first.")
    return (
        '<section><h2>Maps</h2><p class="soft" id="map-of"></p>'
        f'<div class="charts">{charts}{satellites}</div>'
        '<p class="soft">A dot per site; point at one for its value. Coastlines: Natural Earth.</p></section>'
    )


def _load(data: Mapping[str, Any]) -> str:
    if data["load"] is None:
        return ""
    charts = "".join(_chart(f"load-{i}", metric["label"]) for i, metric in enumerate(data["load"]["metrics"]))
    several = len(set(data["load"]["others"].values())) > 1
    note = '<p class="soft">Faint: the other settings than the one shown.</p>' if several else ""
    heading = f"<h2>Against {escape(data['load']['axis'].split(':')[0])}</h2>"
    return f'<section>{heading}{note}<div class="charts narrow">{charts}</div></section>'


def _pareto(data: Mapping[str, Any]) -> str:
    if not data["pareto"]:
        return ""
    charts = "".join(_chart(f"pareto-{i}", panel["title"]) for i, panel in enumerate(data["pareto"]))
    return (
        '<section><h2>Fidelity against savings</h2><p class="soft">A small dot per image, a large one per scheme; up '
        f'and to the right is better.</p><div class="charts narrow">{charts}</div></section>'
    )


def _timeline(data: Mapping[str, Any]) -> str:
    timelines = data["timelines"]
    if not timelines:
        return ""
    n_panels = max(len(timeline["panels"]) for timeline in timelines)
    charts = "".join(f'<div class="chart" id="timeline-{i}"></div>' for i in range(n_panels))
    kinds = {span["kind"] for timeline in timelines for span in timeline["spans"]}
    bands = [
        f'<span><span class="band" style="background:{colour}{alpha};{edge}"></span> {text}</span>'
        for kind, colour, alpha, edge, text in (
            ("pass", PASS_COLOUR, "20", "", "satellite in view (with the elevation; darker: several)"),
            ("fault", FAULT_COLOUR, "30", f"border-top:4px solid {FAULT_COLOUR}", "fault"),
        )
        if kind in kinds
    ]
    legend = f'<p class="soft">{" &nbsp; ".join(bands)}</p>' if bands else ""
    return f'<section><h2>Timeline</h2><p class="soft" id="timeline-of"></p>{legend}{charts}</section>'


def _track(data: Mapping[str, Any]) -> str:
    if data["track"] is None:
        return ""
    minutes = data["track"]["duration_s"] / 60
    return (
        "<section><h2>Ground tracks</h2>"
        + _chart(
            "track",
            f"Latitude against longitude in the first {minutes:.0f} minutes; the thick blue ones served a gateway. "
            "Coastlines: Natural Earth.",
        )
        + "</section>"
    )


def _gallery(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    return (
        '<section><h2>Images</h2><p class="soft">PF and SF per relevance rank, lowest first. Activate a picture to '
        "enlarge it.</p>"
        + "".join(_gallery_row(row) for row in rows)
        + '<dialog id="enlarged" aria-label="Enlarged picture"><img alt="" src="data:,"><p></p>'
        '<form method="dialog"><button>Close</button></form></dialog></section>'
    )


def _gallery_row(row: Mapping[str, Any]) -> str:
    image = escape(str(row["image"]))
    pictures = [
        _picture(row["original"], f"{image}: original", f"<b>original</b><br>{row['original_kib']:.0f} KiB")
    ]
    for sent in row["schemes"]:
        scheme = escape(sent["scheme"])
        if sent["received"]:
            text = f"<b>{scheme}</b>, received<br>{sent['sent_kib']:.1f} KiB"
            text += f"<br>{escape(sent['configuration'])}" if sent["configuration"] else ""
            pictures.append(
                _picture(sent["received"], f"{image}: received by {scheme}", text, sent["scheme"])
            )
        text = f"<b>{scheme}</b><br>" + "<br>".join(escape(line) for line in sent["caption"])
        if not sent["received"]:
            text += f"<br>{sent['sent_kib']:.1f} KiB"
        pictures.append(_picture(sent["reconstruction"], f"{image}: {scheme}", text, sent["scheme"]))
    return f'<div class="gallery-row"><h3>{image}</h3><div class="pictures">{"".join(pictures)}</div></div>'


def _picture(uri: str, alt: str, caption: str, scheme: str = "") -> str:
    of_scheme = f' data-of-scheme="{escape(scheme)}"' if scheme else ""
    return (
        f'<figure{of_scheme}><button type="button"><img src="{uri}" alt="{alt}"></button>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _chart(name: str, caption: str) -> str:
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><div class="chart" id="{name}"></div>{text}</figure>'


def _sources(scenario: Mapping[str, Any], provenance: Mapping[str, Any], runs: Sequence[RunDirectory]) -> str:
    digests = ("scenario_digest", "code_digest", "git", "digests", "details")
    kept = ("command", "scenario_file", "overrides", "seed", *digests)
    facts = {name: provenance.get(name) for name in kept}
    facts["packages"] = {name: version for name, version in provenance["packages"].items() if version}
    facts |= {name: provenance.get(name) for name in ("python", "platform", "written_at")}
    which = "" if len(runs) == 1 else f" of the first run, {runs[0].label}"
    return (
        f"<section><h2>Where this comes from</h2><details><summary>Scenario{escape(which)}, resolved</summary>"
        f"<pre>{escape(json.dumps(scenario, indent=2, ensure_ascii=False))}</pre></details>"
        f"<details><summary>Provenance{escape(which)}</summary>"
        f"<pre>{escape(json.dumps(facts, indent=2, ensure_ascii=False))}</pre></details></section>"
    )
