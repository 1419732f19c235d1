"use strict";
// Draws the page's charts as SVG from the data that the page carries. No library: what is drawn here is lines, bars,
// dots and a map, and a charting library would be fifty times the size of everything else on the page.

const DATA = JSON.parse(document.getElementById("data").textContent);
const STYLE = Object.fromEntries(DATA.schemes.map((scheme) => [scheme.name, scheme]));
const state = { hidden: new Set(), point: DATA.points[0] };
const charts = []; // {draw} of every chart on the page

const SVG = "http://www.w3.org/2000/svg";

function make(parent, name, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function shown(scheme) { return !scheme || !state.hidden.has(scheme); }

function format(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

function ticks(low, high, count) {
  const found = ticksBy(low, high, count);
  return found.length < 3 ? ticksBy(low, high, 2 * count) : found;  // a narrow chart has a scale too
}

function ticksBy(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(Number((i * step).toPrecision(12)));
  return values;
}

function logTicks(low, high) {
  const values = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
    for (const m of [1, 2, 5]) if (m * 10 ** p >= low && m * 10 ** p <= high) values.push(m * 10 ** p);
  return values.length > 10 ? values.filter((v) => Math.abs(Math.log10(v) % 1) < 1e-9) : values;
}

function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (value !== null && isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
  return low <= high ? [low, high] : [0, 1];
}

// Axes, grid and labels; returns the functions from data to pixels.
function frame(host, options) {
  host.querySelector("svg")?.remove();
  const width = Math.max(240, Math.round(host.clientWidth || 480));
  const height = options.height;
  const margin = { left: options.left ?? 46, right: options.right ?? 12, top: options.heading ? 24 : 10, bottom: options.xLabel ? 40 : 24 };
  const [y0, y1] = options.y, [x0, x1] = options.x;
  const tall = height - margin.top - margin.bottom;
  const ys = options.hideY ? [] : options.logY ? logTicks(y0, y1) : ticks(y0, y1, tall / (options.yTickPx ?? 38));
  margin.left = Math.max(margin.left, 10 + 7 * Math.max(0, ...ys.map((value) => format(value).length)));  // labels stand whole
  const svg = make(host, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": options.title, tabindex: options.focusable ? 0 : -1 });
  make(svg, "title", {}, options.title);
  const inner = { width: width - margin.left - margin.right, height: tall };
  const tx = options.log ? (v) => Math.log10(v) : (v) => v;
  const px = (v) => margin.left + (tx(v) - tx(x0)) / (tx(x1) - tx(x0)) * inner.width;
  const ty = options.logY ? (v) => Math.log10(Math.max(v, y0)) : (v) => v;
  const py = (v) => margin.top + inner.height - (ty(v) - ty(y0)) / (ty(y1) - ty(y0)) * inner.height;
  const fromPx = (p) => {
    const share = (p - margin.left) / inner.width;
    return options.log ? 10 ** (tx(x0) + share * (tx(x1) - tx(x0))) : x0 + share * (x1 - x0);
  };
  const grid = make(svg, "g", { class: "grid" }), axis = make(svg, "g", { class: "axis" });
  const xs = options.xTicks ?? (options.log ? logTicks(x0, x1) : ticks(x0, x1, inner.width / (options.xTickPx ?? 80)));
  for (const value of xs) {
    make(grid, "line", { x1: px(value), x2: px(value), y1: margin.top, y2: margin.top + inner.height });
    make(axis, "text", { x: px(value), y: height - margin.bottom + 16, "text-anchor": "middle" }, format(value));
  }
  for (const value of ys) {
    make(grid, "line", { x1: margin.left, x2: margin.left + inner.width, y1: py(value), y2: py(value) });
    make(axis, "text", { x: margin.left - 6, y: py(value) + 4, "text-anchor": "end" }, format(value));
  }
  make(axis, "line", { x1: margin.left, x2: margin.left + inner.width, y1: margin.top + inner.height, y2: margin.top + inner.height });
  make(axis, "line", { x1: margin.left, x2: margin.left, y1: margin.top, y2: margin.top + inner.height });
  if (options.heading) make(svg, "text", { x: margin.left, y: 15, "font-weight": 600 }, options.heading);
  if (options.xLabel) {
    const below = make(svg, "text", { x: margin.left + inner.width / 2, y: height - 4, "text-anchor": "middle" }, options.xLabel);
    const half = below.getBBox().width / 2;  // a long one stands left of the middle of a narrow chart
    below.setAttribute("x", Math.max(half, Math.min(margin.left + inner.width / 2, width - half)));
  }
  return { svg, px, py, fromPx, width, height, margin, inner };
}

function stepPath(xs, ys, px, py, end) {
  let path = "", level = null;
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] === null || ys[i] === null) { level = null; continue; }
    const x = px(xs[i]).toFixed(1), y = py(ys[i]).toFixed(1);
    path += level === null ? `M${x},${y}` : `H${x}V${y}`;
    level = y;
  }
  return level !== null && end !== undefined ? `${path}H${px(end).toFixed(1)}` : path;
}

function bandPath(xs, low, high, px, py) {
  let path = "";
  xs.forEach((x, i) => { path += i === 0 ? `M${px(x).toFixed(1)},${py(high[0]).toFixed(1)}` : `H${px(x).toFixed(1)}V${py(high[i]).toFixed(1)}`; });
  for (let i = xs.length - 1; i >= 0; i--) path += i === xs.length - 1 ? `V${py(low[i]).toFixed(1)}` : `V${py(low[i]).toFixed(1)}H${px(xs[i]).toFixed(1)}`;
  return `${path}Z`;
}

// Index of the last x at or before a value; -1 before the first.
function before(xs, value) {
  let low = 0, high = xs.length;
  while (low < high) { const middle = (low + high) >> 1; if (xs[middle] <= value) low = middle + 1; else high = middle; }
  return low - 1;
}

// A vertical cursor that follows the pointer or the arrow keys, with the values it meets.
function cursor(host, box, steps, describe) {
  const line = make(box.svg, "line", { stroke: "#57606a", "stroke-dasharray": "3 3", y1: box.margin.top, y2: box.margin.top + box.inner.height, visibility: "hidden" });
  let readout = host.querySelector(".readout");
  if (!readout) {
    readout = document.createElement("div");
    readout.className = "readout";
    readout.setAttribute("role", "status");
    host.appendChild(readout);
  }
  let share = 0.5;
  const hide = () => { line.setAttribute("visibility", "hidden"); readout.style.display = "none"; };
  const show = () => {
    const p = box.margin.left + share * box.inner.width;
    const html = describe(box.fromPx(p));
    if (!html) { hide(); return; }
    line.setAttribute("x1", p); line.setAttribute("x2", p); line.setAttribute("visibility", "visible");
    readout.innerHTML = html;
    readout.style.display = "block";
    const scale = host.clientWidth / box.width;
    if (share > 0.5) { readout.style.left = "auto"; readout.style.right = `${(box.width - p) * scale + 10}px`; }
    else { readout.style.right = "auto"; readout.style.left = `${p * scale + 10}px`; }
  };
  box.svg.addEventListener("pointermove", (event) => {
    const area = box.svg.getBoundingClientRect();
    share = Math.min(1, Math.max(0, ((event.clientX - area.left) * box.width / area.width - box.margin.left) / box.inner.width));
    show();
  });
  box.svg.addEventListener("pointerleave", hide);
  box.svg.addEventListener("blur", hide);
  box.svg.addEventListener("focus", () => { if (box.svg.matches(":focus-visible")) show(); });
  box.svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { hide(); return; }
    const move = { ArrowLeft: -1 / steps, ArrowRight: 1 / steps, Home: -1, End: 1 }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    share = Math.min(1, Math.max(0, share + move));
    show();
  });
}

function escaped(text) { const node = document.createElement("i"); node.textContent = text; return node.innerHTML; }

function swatch(colour) { return `<span style="color:${colour}">■</span>`; }

function drawCdf(host, curves, options) {
  const chosen = curves.filter((curve) => curve.point === state.point && shown(curve.scheme) && curve.x.length);
  let [low, high] = extent(curves.filter((curve) => curve.point === state.point).flatMap((curve) => [curve.x[0], curve.x.at(-1)]));
  if (options.deadline) high = Math.max(high, options.deadline * 1.05);
  const log = options.canLog && low > 0 && high / low > 100;
  if (!log) low = options.canLog ? Math.min(low, 0) : low - (high - low) * 0.03;
  if (!(high > low)) high = low + 1;
  const box = frame(host, { x: [low, high], y: [0, 1], log, height: 300, xLabel: options.xLabel, title: options.title, focusable: true });
  if (options.deadline) {
    const p = box.px(options.deadline);
    make(box.svg, "line", { x1: p, x2: p, y1: box.margin.top, y2: box.py(0), stroke: "#444", "stroke-dasharray": "4 3" });
    const late = p > box.width - 60;
    make(box.svg, "text", { x: late ? p - 4 : p + 4, y: box.py(0) - 6, "text-anchor": late ? "end" : "start" }, "d_max");
  }
  for (const curve of chosen) {
    const style = STYLE[curve.scheme];
    if (curve.low.every((v) => v !== null)) make(box.svg, "path", { d: bandPath(curve.x, curve.low, curve.high, box.px, box.py), fill: style.colour, opacity: 0.15 });
  }
  for (const curve of chosen) {
    const style = STYLE[curve.scheme];
    const start = `M${box.px(curve.x[0]).toFixed(1)},${box.py(0).toFixed(1)}L`;
    make(box.svg, "path", { class: "curve", d: start + stepPath(curve.x, curve.y, box.px, box.py, high).slice(1), fill: "none", stroke: style.colour, "stroke-width": 2, "stroke-dasharray": style.dash.map((v) => v * 1.8).join(" ") });
  }
  cursor(host, box, 50, (x) => chosen.length ? `<b>${format(x)} ${options.unit}</b><br>` + chosen.map((curve) => {
    const i = before(curve.x, x);
    const range = i >= 0 && curve.low[i] !== null ? ` [${format(100 * curve.low[i])}, ${format(100 * curve.high[i])}]` : "";
    return `${swatch(STYLE[curve.scheme].colour)} ${escaped(curve.scheme)}: ${i < 0 ? 0 : format(100 * curve.y[i])} %${range}`;
  }).join("<br>") : "");
}

// A bar far longer than half of the others is cut off, or one overloaded scheme would hide all of them. Two bars are
// never cut: the longer one is half of what there is to see.
function barLimit(ends) {
  const sorted = ends.slice().sort((a, b) => a - b);
  const longest = sorted.at(-1) || 1;
  return sorted.length < 3 ? longest : Math.min(longest, 8 * (sorted[sorted.length >> 1] || Infinity));
}

function drawBreakdown(host) {
  const bars = DATA.breakdown.filter((bar) => bar.point === state.point && shown(bar.scheme));
  const limit = barLimit(bars.map((bar) => Math.max(bar.total[0] ?? 0, bar.total[2] ?? 0)));
  const label = Math.min(120, Math.max(60, ...bars.map((bar) => bar.scheme.length * 7.5 + 10)));
  const height = 58 + 40 * Math.max(1, bars.length);
  const box = frame(host, { x: [0, limit], y: [0, Math.max(1, bars.length)], height, left: label, right: 72, hideY: true, xLabel: "mean delay (s)", title: "Mean delay by component" });
  const pattern = make(make(box.svg, "defs"), "pattern", { id: "waiting", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  make(pattern, "rect", { width: 2, height: 6, fill: "white", opacity: 0.75 });
  bars.forEach((bar, row) => {
    const y = box.margin.top + row * box.inner.height / bars.length + 7, tall = box.inner.height / bars.length - 14;
    make(box.svg, "text", { x: label - 8, y: y + tall / 2 + 4, "text-anchor": "end" }, bar.scheme);
    let left = 0;
    bar.parts.forEach((part, index) => part.forEach((length, kind) => {
      if (!(length > 0)) return;
      const from = Math.min(left, limit), to = Math.min(left + length, limit);
      const area = { x: box.px(from), y, width: box.px(to) - box.px(from), height: tall };
      const component = DATA.components[index];
      const group = make(box.svg, "g", { class: "bar" });
      make(group, "title", {}, `${bar.scheme}, ${component.name}, ${kind ? "service" : "waiting"}: ${format(length)} s`);
      make(group, "rect", { ...area, fill: component.colour });
      if (!kind) make(group, "rect", { ...area, fill: "url(#waiting)" });
      left += length;
    }));
    if (bar.total[1] !== null && bar.total[2] <= limit) {
      const middle = y + tall / 2;
      make(box.svg, "path", { d: `M${box.px(Math.max(0, bar.total[1]))},${middle}H${box.px(bar.total[2])}m0,-4v8M${box.px(Math.max(0, bar.total[1]))},${middle - 4}v8`, stroke: "#111", fill: "none" });
    }
    const text = bar.total[0] === null ? "none arrived" : `${Number(bar.total[0].toPrecision(3))} s${bar.total[0] > limit ? " ▸" : ""}`;
    make(box.svg, "text", { x: box.px(Math.min(limit, Math.max(left, bar.total[2] ?? 0))) + 6, y: y + tall / 2 + 4 }, text);
  });
}

function drawLoad(host, metric) {
  const chosen = metric.curves.filter((curve) => shown(curve.scheme));
  const xs = extent(metric.curves.flatMap((curve) => curve.x));
  const ys = extent(metric.curves.flatMap((curve) => curve.y.flat()));
  const means = metric.curves.flatMap((curve) => curve.y.map((y) => y[0])).filter((y) => y !== null);
  const logY = metric.canLog && Math.min(...means) > 0 && Math.max(...means) > 20 * Math.min(...means);
  if (logY) { ys[0] = Math.min(...means) / 1.5; ys[1] = Math.max(...means) * 2; }
  const pad = logY ? 0 : (ys[1] - ys[0]) * 0.08 || 1, side = (xs[1] - xs[0]) * 0.04 || 1;
  const box = frame(host, { x: [xs[0] - side, xs[1] + side], y: [ys[0] - pad, ys[1] + pad], logY, height: 260, xTickPx: 46, yTickPx: 26, xLabel: DATA.load.axis, title: metric.label, focusable: true });
  for (const curve of chosen) {
    const style = STYLE[curve.scheme], opacity = curve.others === DATA.load.others[state.point] ? 1 : 0.3;
    const line = curve.x.map((x, i) => curve.y[i][0] === null ? "" : `${box.px(x).toFixed(1)},${box.py(curve.y[i][0]).toFixed(1)}`).filter(Boolean).join("L");
    if (line) make(box.svg, "path", { class: "curve", d: `M${line}`, fill: "none", stroke: style.colour, opacity, "stroke-width": 2, "stroke-dasharray": style.dash.map((v) => v * 1.8).join(" ") });
    curve.x.forEach((x, i) => {
      const [value, low, high] = curve.y[i];
      if (value === null) return;
      if (low !== null) make(box.svg, "path", { d: `M${box.px(x) - 3},${box.py(low)}h6m-3,0V${box.py(high)}m-3,0h6`, stroke: style.colour, opacity, fill: "none" });
      make(box.svg, "circle", { opacity, cx: box.px(x), cy: box.py(value), r: 3.5, fill: style.colour });
    });
  }
  const settings = [...new Set(metric.curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  cursor(host, box, Math.max(2, settings.length * 2), (x) => {
    const near = settings.reduce((best, one) => Math.abs(one - x) < Math.abs(best - x) ? one : best, settings[0]);
    return `<b>${escaped(DATA.load.path)} ${format(near)}</b><br>` + chosen.map((curve) => {
      const i = curve.x.indexOf(near);
      if (i < 0) return "";
      const [value, low, high] = curve.y[i];
      const name = curve.others ? `${curve.scheme} (${curve.others})` : curve.scheme;
      return `${swatch(STYLE[curve.scheme].colour)} ${escaped(name)}: ${format(value)}${low === null ? "" : ` [${format(low)}, ${format(high)}]`}`;
    }).filter(Boolean).join("<br>");
  });
}

function drawPareto(host, panel) {
  const all = panel.dots.concat();
  const xs = extent(all.flatMap((cloud) => cloud.x)), ys = extent(all.flatMap((cloud) => cloud.y).concat(panel.means.flatMap((mean) => mean.y)));
  const room = 0.06 * (ys[1] - ys[0]) || 0.02;
  const box = frame(host, { x: [xs[0] - 2, Math.min(100.5, xs[1] + 2)], y: [ys[0] - room, Math.max(Math.min(1, ys[1] + room), ys[1])], height: 270, xLabel: "savings (%)", title: `${panel.title} against savings` });
  for (const cloud of panel.dots.filter((one) => shown(one.scheme))) {
    const group = make(box.svg, "g", { fill: STYLE[cloud.scheme].colour, opacity: 0.28 });
    cloud.x.forEach((x, i) => make(group, "circle", { cx: box.px(x).toFixed(1), cy: box.py(cloud.y[i]).toFixed(1), r: 1.8 }));
  }
  for (const mean of panel.means.filter((one) => shown(one.scheme))) {
    const group = make(box.svg, "g", { class: "mean" });
    const where = mean.point ? `, ${mean.point}` : "";
    make(group, "title", {}, `${mean.scheme}${where}: savings ${format(mean.x[0])} %, fidelity ${format(mean.y[0])}`);
    if (mean.y[1] !== null) make(group, "line", { x1: box.px(mean.x[0]), x2: box.px(mean.x[0]), y1: box.py(mean.y[1]), y2: box.py(mean.y[2]), stroke: STYLE[mean.scheme].colour });
    make(group, "circle", { cx: box.px(mean.x[0]), cy: box.py(mean.y[0]), r: 5, fill: STYLE[mean.scheme].colour, stroke: "white", "stroke-width": 1.5 });
  }
}

function timelineShown() { return DATA.timelines.find((line) => line.point === state.point) ?? null; }

function drawTimeline(host, index) {
  const line = timelineShown(), panel = line?.panels[index];
  const note = document.getElementById("timeline-of");
  if (note && index === 0) note.textContent = line ? line.title : `No timeline was kept for ${state.point}.`;
  host.hidden = !panel;
  if (!panel) { host.querySelector("svg")?.remove(); return; }
  const last = index === line.panels.length - 1, chosen = panel.lines.filter((one) => shown(one.scheme));
  const [low, high] = extent(panel.lines.flatMap((one) => one.y).concat([0]));
  const box = frame(host, { x: [0, line.end || 1], y: [Math.min(0, low), high > 0 ? high * 1.06 : 1], height: last ? 160 : 135, left: 54, heading: panel.title, xLabel: last ? `simulated time (${line.unit})` : "", title: panel.title, focusable: true });
  for (const span of line.spans) {
    if (span.kind === "pass" && !panel.passes) continue;
    const fault = span.kind === "fault", x = box.px(span.start), width = Math.max(1, box.px(span.end) - x);
    const group = make(box.svg, "g", { class: span.kind, fill: fault ? DATA.faultColour : DATA.passColour });
    make(group, "rect", { x, width, y: box.margin.top, height: box.inner.height, opacity: fault ? 0.16 : 0.09 });
    if (fault) make(group, "rect", { x, width, y: box.margin.top - 4, height: 4 }); // a strip above the curves
    make(group, "title", {}, `${span.kind}: ${span.text}`);
  }
  for (const one of chosen) {
    const style = one.scheme ? STYLE[one.scheme] : { colour: "#333", dash: [] };
    make(box.svg, "path", { class: "curve", d: stepPath(one.x, one.y, box.px, box.py), fill: "none", stroke: style.colour, "stroke-width": 1.5, "stroke-dasharray": style.dash.map((v) => v * 1.5).join(" ") });
  }
  cursor(host, box, 100, (x) => {
    const about = line.spans.filter((span) => span.start <= x && x <= span.end).slice(0, 4).map((span) => `${span.kind} ${escaped(span.text)}`);
    return [`<b>${format(x)} ${line.unit}</b>`].concat(chosen.map((one) => {
      const i = before(one.x, x);
      return `${one.scheme ? `${swatch(STYLE[one.scheme].colour)} ${escaped(one.scheme)}: ` : ""}${i < 0 ? "–" : format(one.y[i])}`;
    }), about).join("<br>");
  });
}

// A frame of the whole Earth with its coasts.
function earth(host, title) {
  const box = frame(host, { x: [-180, 180], y: [-90, 90], height: Math.max(200, Math.round((host.clientWidth || 600) / 2)), left: 40, xLabel: "longitude (°)", title, xTicks: [-180, -120, -60, 0, 60, 120, 180] });
  const land = make(box.svg, "g", { class: "land", fill: "#eceff1", stroke: "#9aa5ae", "stroke-width": 0.6 });
  for (const outline of DATA.land) {
    let path = "";
    for (let i = 0; i < outline.length; i += 2) path += `${i ? "L" : "M"}${box.px(outline[i] / 10).toFixed(1)},${box.py(outline[i + 1] / 10).toFixed(1)}`;
    make(land, "path", { d: `${path}Z` });
  }
  return box;
}

const RAMP = [[253, 231, 37], [94, 201, 98], [33, 145, 140], [59, 82, 139], [68, 1, 84]]; // viridis, light to dark

function rampColour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), i = Math.min(Math.floor(place), RAMP.length - 2);
  return `rgb(${RAMP[i].map((from, k) => Math.round(from + (place - i) * (RAMP[i + 1][k] - from))).join(",")})`;
}

function mapsShown() {
  const here = DATA.maps.maps.filter((one) => one.point === state.point);
  return here.length ? here : DATA.maps.maps.filter((one) => one.point === DATA.maps.maps[DATA.maps.maps.length - 1].point);
}

function mapShown() { return mapsShown().find((one) => shown(one.scheme)) ?? null; }

function drawMap(host, quantity) {
  const box = earth(host, quantity.label);
  const one = mapShown();
  document.getElementById("map-of").textContent = one ? `Scheme ${one.scheme}${one.point ? `, ${one.point}` : ""}: the first of those shown.` : "";
  if (!one) return;
  const values = one.values[quantity.name];
  const known = values.filter((value) => value !== null && (!quantity.positive || value > 0));
  if (!known.length) return;
  const least = known.reduce((a, b) => Math.min(a, b)), most = known.reduce((a, b) => Math.max(a, b));
  const log = quantity.positive && most > 20 * least;
  const scale = (value) => (log ? Math.log(value) : value);
  const low = scale(least), high = scale(most);
  const radius = values.length > 300 ? 2.2 : 4;
  values.forEach((value, i) => {
    const seen = value !== null && (!quantity.positive || value > 0);
    const dot = make(box.svg, "circle", { cx: box.px(one.longitude[i]).toFixed(1), cy: box.py(one.latitude[i]).toFixed(1), r: radius, fill: seen ? rampColour(high > low ? (scale(value) - low) / (high - low) : 0.5) : "none", stroke: seen ? "none" : "#888" });
    make(dot, "title", {}, `${one.sites[i]}: ${seen ? format(value) : "–"}`);
  });
  const left = box.px(-170), wide = Math.max(box.px(-108.5) - left, 7 * (format(least) + format(most)).length + 14);
  for (let i = 0; i <= 40; i++) make(box.svg, "rect", { x: left + wide * i / 41, y: box.py(-76), width: wide / 40, height: 8, fill: rampColour(i / 40) });
  make(box.svg, "text", { x: left, y: box.py(-72) }, format(least));
  make(box.svg, "text", { x: left + wide, y: box.py(-72), "text-anchor": "end" }, format(most));
}

function drawMapSatellites(host) {
  const maps = mapsShown().filter((one) => shown(one.scheme) && one.satellites.length);
  const most = Math.max(1, ...maps.map((one) => one.satellites.length)), high = Math.max(1e-9, ...maps.map((one) => one.satellites[0]));
  const box = frame(host, { x: [0, most], y: [0, 1.05 * high], height: 220, left: 64, xLabel: "satellites, the busiest first", title: "What satellites carried (bit/s)" });
  for (const one of maps) {
    const path = one.satellites.map((value, i) => `${i ? "L" : "M"}${box.px(i + 1).toFixed(1)},${box.py(value).toFixed(1)}`).join("");
    make(box.svg, "path", { class: "curve", d: path, fill: "none", stroke: STYLE[one.scheme].colour, "stroke-width": 1.6, "stroke-dasharray": STYLE[one.scheme].dash.map((length) => 1.6 * length).join(" ") });
  }
}

function drawTrack(host) {
  const box = earth(host, "Ground tracks");
  for (const satellite of DATA.track.satellites) {
    let path = "";
    satellite.longitude.forEach((longitude, i) => {
      const jump = i > 0 && Math.abs(longitude - satellite.longitude[i - 1]) > 180; // the map's edge
      path += `${i === 0 || jump ? "M" : "L"}${box.px(longitude).toFixed(1)},${box.py(satellite.latitude[i]).toFixed(1)}`;
    });
    const track = make(box.svg, "path", { class: "curve", d: path, fill: "none", stroke: satellite.served ? DATA.passColour : "#aab4bd", "stroke-width": satellite.served ? 1.6 : 0.6 });
    make(track, "title", {}, satellite.name);
  }
  const many = DATA.track.sites.length > 40; // names would cover the map
  for (const site of DATA.track.sites) {
    if (many) {
      make(make(box.svg, "circle", { cx: box.px(site.longitude).toFixed(1), cy: box.py(site.latitude).toFixed(1), r: 1.8, fill: "#D55E00" }), "title", {}, site.name);
      continue;
    }
    make(box.svg, "path", { d: `M${box.px(site.longitude)},${box.py(site.latitude) - 6}l5,9h-10z`, fill: "#D55E00", stroke: "white" });
    make(box.svg, "text", { x: box.px(site.longitude) + 8, y: box.py(site.latitude) + 4, "font-weight": 600 }, site.name);
  }
}

function add(id, draw, table) {
  const host = document.getElementById(id);
  if (!host) return;
  charts.push({ host, draw: () => draw(host) });
  const bar = document.createElement("div");
  bar.className = "downloads";
  for (const [kind, act] of [["CSV", () => saveCsv(id, table())], ["PNG", () => savePng(id, host)]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = kind;
    button.setAttribute("aria-label", `Download ${id} as ${kind}`);
    button.addEventListener("click", act);
    bar.appendChild(button);
  }
  host.after(bar);
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// RFC 4180. A spreadsheet would compute a text that begins like a formula: a space in front keeps it a text.
function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+@\t\r-]/.test(value) ? ` ${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveCsv(id, rows) {
  save(`${id}.csv`, new Blob([rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
}

const PNG_SCALE = 3;
const DRAWN = ["fill", "stroke", "font-size", "font-family", "font-weight"];

// The chart as it stands on the page, on white, at three times its size.
function savePng(id, host) {
  const svg = host.querySelector("svg"), copy = svg.cloneNode(true);
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("width", width * PNG_SCALE);
  copy.setAttribute("height", height * PNG_SCALE);
  // Outside the page its style sheet is lost: what it set is written on each node.
  const originals = svg.querySelectorAll("*"), copies = copy.querySelectorAll("*");
  originals.forEach((node, i) => { const style = getComputedStyle(node); for (const name of DRAWN) copies[i].style.setProperty(name, style.getPropertyValue(name)); });
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = width * PNG_SCALE;
    canvas.height = height * PNG_SCALE;
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0);
    canvas.toBlob((blob) => save(`${id}.png`, blob), "image/png");
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
}

// Each chart's numbers, all settings and schemes of it, as rows under a line of names.
function cdfTable(curves, quantity) {
  return [["setting", "scheme", quantity, "share", "share_low", "share_high"]].concat(
    curves.flatMap((curve) => curve.x.map((x, i) => [curve.point, curve.scheme, x, curve.y[i], curve.low[i], curve.high[i]])));
}

function breakdownTable() {
  const names = DATA.components.flatMap(({ name }) => [`${name}, waiting (s)`, `${name}, service (s)`]);
  return [["setting", "scheme", ...names, "mean delay (s)", "low (s)", "high (s)"]].concat(
    DATA.breakdown.map((bar) => [bar.point, bar.scheme, ...bar.parts.flat(), ...bar.total]));
}

function loadTable(metric) {
  return [["scheme", "other settings", DATA.load.path, metric.label, "low", "high"]].concat(
    metric.curves.flatMap((curve) => curve.x.map((x, i) => [curve.scheme, curve.others, x, ...curve.y[i]])));
}

function paretoTable(panel) {
  const means = panel.means.map((mean) => ["mean", mean.point, mean.scheme, ...mean.x, ...mean.y]);
  const dots = panel.dots.flatMap((cloud) => cloud.x.map((x, i) => ["image", "", cloud.scheme, x, null, null, cloud.y[i], null, null]));
  return [["what", "setting", "scheme", "savings (%)", "low", "high", panel.title, "low", "high"], ...means, ...dots];
}

function timelineTable(index) {
  const line = timelineShown(), panel = line?.panels[index];
  if (!panel) return [];
  return [["setting", "scheme", `time (${line.unit})`, panel.title]].concat(
    panel.lines.flatMap((one) => one.x.map((x, i) => [line.point, one.scheme, x, one.y[i]])));
}

function mapTable(quantity) {
  return [["setting", "scheme", "site", "latitude (deg)", "longitude (deg)", quantity.label]].concat(
    DATA.maps.maps.flatMap((one) => one.sites.map((site, i) => [one.point, one.scheme, site, one.latitude[i], one.longitude[i], one.values[quantity.name][i]])));
}

function mapSatellitesTable() {
  return [["setting", "scheme", "rank", "mean rate (bit/s)"]].concat(
    DATA.maps.maps.flatMap((one) => one.satellites.map((rate, i) => [one.point, one.scheme, i + 1, rate])));
}

function trackTable() {
  return [["satellite", "served", "latitude (deg)", "longitude (deg)"]].concat(
    DATA.track.satellites.flatMap((one) => one.latitude.map((latitude, i) => [one.name, one.served ? "yes" : "no", latitude, one.longitude[i]])));
}

function drawAll() { for (const chart of charts) chart.draw(); }

function setUp() {
  add("delay-cdf", (host) => drawCdf(host, DATA.cdf.delay, { xLabel: "end-to-end delay (s)", unit: "s", deadline: DATA.deadline_s, canLog: true, title: "Distribution of end-to-end delay" }), () => cdfTable(DATA.cdf.delay, "delay (s)"));
  add("savings-cdf", (host) => drawCdf(host, DATA.cdf.savings, { xLabel: "bandwidth savings (% of the captured file)", unit: "%", canLog: false, title: "Distribution of bandwidth savings" }), () => cdfTable(DATA.cdf.savings, "savings (%)"));
  add("breakdown", drawBreakdown, breakdownTable);
  if (DATA.maps) {
    DATA.maps.quantities.forEach((quantity, i) => add(`map-${i}`, (host) => drawMap(host, quantity), () => mapTable(quantity)));
    add("map-satellites", drawMapSatellites, mapSatellitesTable);
  }
  if (DATA.load) DATA.load.metrics.forEach((metric, i) => add(`load-${i}`, (host) => drawLoad(host, metric), () => loadTable(metric)));
  DATA.pareto.forEach((panel, i) => add(`pareto-${i}`, (host) => drawPareto(host, panel), () => paretoTable(panel)));
  const mostPanels = Math.max(0, ...DATA.timelines.map((line) => line.panels.length));
  for (let i = 0; i < mostPanels; i++) add(`timeline-${i}`, (host) => drawTimeline(host, i), () => timelineTable(i));
  if (DATA.track) add("track", drawTrack, trackTable);

  for (const button of document.querySelectorAll("button[data-scheme]")) button.addEventListener("click", () => {
    const name = button.dataset.scheme;
    if (state.hidden.has(name)) state.hidden.delete(name); else state.hidden.add(name);
    button.setAttribute("aria-pressed", String(!state.hidden.has(name)));
    for (const node of document.querySelectorAll("[data-of-scheme]")) node.hidden = state.hidden.has(node.dataset.ofScheme);
    drawAll();
  });
  document.getElementById("point")?.addEventListener("change", (event) => {
    state.point = DATA.points[event.target.selectedIndex];
    drawAll();
  });

  const dialog = document.getElementById("enlarged");
  for (const button of document.querySelectorAll(".pictures button")) button.addEventListener("click", () => {
    const picture = button.querySelector("img");
    dialog.querySelector("img").src = picture.src;
    dialog.querySelector("img").alt = picture.alt;
    dialog.querySelector("p").textContent = picture.alt;
    dialog.showModal();
  });
  dialog?.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  drawAll();
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; drawAll(); } });
}

setUp();
