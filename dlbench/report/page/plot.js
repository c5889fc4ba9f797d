// One plot as SVG: scales, ticks, lines, points, the front; the nearest point under a pointer or by arrow keys.

const COLORS = 10; // of style.css
const SHAPES = [
  'M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0', 'M-3.5,-3.5h7v7h-7z', 'M0,-5L5,4H-5z', 'M0,-5.2L5.2,0L0,5.2L-5.2,0z',
  'M-5,-4H5L0,5z', 'M-4,-1.5h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z',
];
const NEAR = 40; // pixels
const ZEROS = 0.07; // the share of a logarithmic axis where zeros stand

const colorOf = (i) => `c${i % COLORS}`;
const shapeOf = (i) => SHAPES[Math.floor(i / COLORS) % SHAPES.length];

// Where values stand between two pixels, and which get a tick.
function scaleOf(axis, values, from, to, room) {
  if (axis.names.length) {
    const step = (to - from) / axis.names.length;
    return {at: (v) => from + step * (v + 0.5),
      ticks: axis.names.map((name, i) => [i, name.length > 19 ? `${name.slice(0, 18)}…` : name, name])};
  }
  const finite = values.filter((v) => Number.isFinite(v));
  const positive = finite.filter((v) => v > 0);
  if (axis.log && positive.length) return logScale(finite, positive, from, to, room);
  let [low, high] = [Math.min(...finite), Math.max(...finite)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.05, high + (Math.abs(high) || 1) * 0.05];
  const pad = (high - low) * 0.06;
  const at = (v) => from + (to - from) * (v - low + pad) / (high - low + 2 * pad);
  const step = niceStep((high - low) / Math.max(2, room), axis.key === 'rank' ? 1 : 0);
  const ticks = [];
  const first = axis.key === 'rank' ? 1 : Math.ceil((low - pad / 2) / step) * step;
  for (let v = first; v <= high + pad / 2; v += step) {
    const tidy = Number(v.toPrecision(10));
    ticks.push([tidy, short4(tidy)]);
  }
  return {at, ticks};
}

function logScale(finite, positive, from, to, room) {
  const strip = positive.length < finite.length ? ZEROS : 0;
  let [low, high] = [Math.log10(Math.min(...positive)), Math.log10(Math.max(...positive))];
  const pad = Math.max(0.02, (high - low) * 0.05);
  [low, high] = [low - pad, high + pad];
  const at = (v) => from + (to - from) * (v <= 0 ? strip / 2 : strip + (1 - strip) * (Math.log10(v) - low) / (high - low));
  const decades = Math.floor(high) - Math.ceil(low) + 1;
  const wanted = decades > 2 ? [1] : [1, 2, 5];
  const every = Math.max(1, Math.ceil((high - low) * wanted.length / Math.max(3, room)));
  const ticks = strip ? [[0, '0']] : [];
  for (let power = Math.floor(low); power <= high; power += wanted.length > 1 ? 1 : every) {
    for (const factor of wanted) {
      const v = factor * 10 ** power;
      if (Math.log10(v) >= low && Math.log10(v) <= high) ticks.push([v, short(v)]);
    }
  }
  return {at, ticks};
}

function niceStep(rough, least) {
  const size = 10 ** Math.floor(Math.log10(rough));
  return Math.max(least, [1, 2, 5, 10].map((f) => f * size).find((step) => step >= rough * 0.999) || size);
}

function short4(value) {
  return Math.abs(value) >= 1e4 ? short(value) : String(Number(value.toPrecision(5)));
}

function isDrawn(row) {
  return shared.shown[row] && !shared.hidden.has(data.rows[row].name);
}

// The points that are drawn, with the series and the row they belong to, before they have pixels.
function pointsOf(panel, x, y) {
  const points = [];
  for (const series of panel.series) {
    const [xs, ys] = [series.data[x.key], series.data[x.y || y.key]];
    if (!xs || !ys) continue;
    xs.forEach((_, i) => {
      const row = series.rows.length > 1 || panel.kind === 'target' ? series.rows[i] : series.rows[0];
      const [vx, vy] = [asNumber(xs[i], 'number'), asNumber(ys[i], 'number')];
      const there = vx !== null && vy !== null && Number.isFinite(vx) && Number.isFinite(vy);
      if (there && isDrawn(row)) points.push({series, i, row, x: vx, y: vy});
    });
  }
  return points;
}

function plotOf(panel, x, y, width) {
  const points = pointsOf(panel, x, y);
  const names = y.names.length;
  const wide = names ? Math.min(150, 24 + 6.6 * Math.min(19, Math.max(...y.names.map((name) => name.length)))) : 52;
  const box = {left: wide, right: width - 14, top: 12, bottom: names ? 16 + 22 * names : 250};
  const height = box.bottom + 42;
  const ends = panel.kind === 'cost' ? points.flatMap((p) => limitsOf(p)) : [];
  const sx = scaleOf(x, points.map((p) => p.x), box.left, box.right, width / 90);
  const down = names || y.reverse;
  const sy = scaleOf(y, [...points.map((p) => p.y), ...ends], down ? box.top : box.bottom, down ? box.bottom : box.top, 5);
  const svg = draw('svg', {class: 'plot', viewBox: `0 0 ${width} ${height}`, width, height, tabindex: '0', role: 'group',
    'aria-roledescription': 'plot',
    'aria-label': `${panel.title}: ${y.label || 'rows'} against ${x.label}, ${points.length} points; arrow keys go through them`});
  if (!points.length) {
    svg.append(draw('text', {x: width / 2, y: height / 2, 'text-anchor': 'middle'}, 'nothing measured, or filtered out'));
    return svg;
  }
  svg.append(axesOf(x, y, sx, sy, box, height));
  for (const p of points) [p.px, p.py] = [sx.at(p.x), sy.at(p.y)];
  if (panel.kind === 'cost') svg.append(frontOf(points, x));
  svg.append(...(panel.kind === 'curve' || panel.kind === 'rank' ? linesOf(points, panel, y, sx, sy, x)
    : points.map((p) => dotOf(p, x, sy, panel))));
  svg.append(draw('path', {class: 'focus', d: 'M-7,0a7,7 0 1,0 14,0a7,7 0 1,0 -14,0', visibility: 'hidden'}));
  listen(svg, points, panel, x, y);
  return svg;
}

function limitsOf(p) {
  return [p.series.data.low[p.i], p.series.data.high[p.i]].filter((v) => typeof v === 'number');
}

function axesOf(x, y, sx, sy, box, height) {
  const group = draw('g', {class: 'axes'});
  let last = -Infinity;
  for (const [v, text] of sx.ticks) {
    const at = sx.at(v);
    group.append(draw('line', {x1: at, x2: at, y1: box.top, y2: box.bottom}));
    if (at - last < 7 * text.length + 4) continue; // no room for its label
    last = at;
    group.append(draw('text', {x: at, y: box.bottom + 16, 'text-anchor': 'middle'}, text));
  }
  for (const [v, text, whole] of sy.ticks) {
    const at = sy.at(v);
    group.append(draw('line', {x1: box.left, x2: box.right, y1: at, y2: at}),
      draw('text', {x: box.left - 6, y: at + 4, 'text-anchor': 'end'}, text, whole ? draw('title', {}, whole) : null));
  }
  group.append(draw('text', {class: 'label', x: (box.left + box.right) / 2, y: height - 6, 'text-anchor': 'middle'},
    x.label));
  return group;
}

function dotOf(p, x, sy, panel) {
  const [low, high] = panel.kind === 'cost' ? limitsOf(p) : [];
  const doubted = p.series.doubted.includes(x.key);
  return draw('g', {class: `series dot ${colorOf(p.series.color)}${doubted ? ' hollow' : ''}`, 'data-name': nameOf(p)},
    high === undefined ? null : draw('line', {x1: p.px, x2: p.px, y1: sy.at(low), y2: sy.at(high)}),
    draw('path', {d: shapeOf(p.series.color), transform: `translate(${p.px},${p.py})`}));
}

function nameOf(p) {
  return data.rows[p.row].name;
}

// Steps between the points that no other beats: at each cost the best score that costs no more.
function frontOf(points, x) {
  const on = points.filter((p) => p.series.front.includes(x.key)).sort((a, b) => a.px - b.px || a.py - b.py);
  const more = data.columns[columnAt.get(x.key)][2];
  const corner = (before, p) => (more ? `${before.px},${p.py}` : `${p.px},${before.py}`);
  const d = on.map((p, i) => (i ? `L${corner(on[i - 1], p)}L${p.px},${p.py}` : `M${p.px},${p.py}`)).join('');
  return draw('path', {class: 'front', d, 'data-points': on.length});
}

function linesOf(points, panel, y, sx, sy, x) {
  const bySeries = grouped(points);
  const few = bySeries.size <= 8 && panel.kind === 'curve' && y.key === 'val';
  return [...bySeries].map(([series, mine]) => {
    const d = mine.map((p, i) => `${i && mine[i - 1].i === p.i - 1 ? 'L' : 'M'}${round(p.px)},${round(p.py)}`).join('');
    const edge = (key) => mine.map((p) => `${round(p.px)},${round(sy.at(asNumber(series.data[key][p.i], 'number')))}`);
    const finite = (key) => mine.every((p) => Number.isFinite(asNumber(series.data[key]?.[p.i] ?? null, 'number') ?? NaN));
    const band = few && finite('low') && finite('high')
      ? draw('path', {class: 'band', d: `M${edge('low').join('L')}L${edge('high').reverse().join('L')}z`}) : null;
    const [end] = mine.slice(-1);
    return draw('g', {class: `series ${colorOf(series.color)}`, 'data-name': nameOf(end)}, band,
      draw('path', {class: 'line', d}),
      draw('path', {class: 'end', d: shapeOf(series.color), transform: `translate(${end.px},${end.py})`}));
  });
}

function grouped(points) {
  const found = new Map();
  for (const p of points) {
    if (!found.has(p.series)) found.set(p.series, []);
    found.get(p.series).push(p);
  }
  return found;
}

const round = (v) => Math.round(v * 10) / 10;

// Pointer and keys. A click, Enter, or a second tap opens the row.
function listen(svg, points, panel, x, y) {
  const focus = svg.querySelector('.focus');
  let current = null;
  const select = (p) => {
    current = p;
    focus.setAttribute('visibility', p ? 'visible' : 'hidden');
    if (p) focus.setAttribute('transform', `translate(${p.px},${p.py})`);
    highlight(p ? nameOf(p) : null);
    if (p) showTip(svg, p, panel, x, y);
    else hideTip();
  };
  const nearest = (event) => {
    const at = svg.getBoundingClientRect();
    const scale = at.width / svg.viewBox.baseVal.width;
    const far = points.map((p) => Math.hypot(p.px * scale - event.clientX + at.left, p.py * scale - event.clientY + at.top));
    const best = far.indexOf(Math.min(...far));
    return far[best] < NEAR ? points[best] : null;
  };
  svg.addEventListener('pointermove', (event) => {
    const p = nearest(event);
    if (p !== current && event.pointerType === 'mouse') select(p);
  });
  svg.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && select(null));
  svg.addEventListener('click', (event) => {
    const p = nearest(event);
    if (p && p === current) goTo(p.row);
    else select(p);
  });
  svg.addEventListener('blur', () => select(null));
  const byPlace = [...points].sort((a, b) => a.px - b.px || a.py - b.py);
  svg.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step) {
      const lines = panel.kind === 'curve' || panel.kind === 'rank';
      const list = lines && current && /Up|Down/.test(event.key)
        ? alike(points, current, step) : lines ? points : byPlace;
      const at = current ? list.indexOf(current) + step : 0;
      select(list[Math.max(0, Math.min(list.length - 1, at))]);
      event.preventDefault();
    } else if (event.key === 'Enter' && current) {
      event.preventDefault(); // else the row's button, focused then, would take it for a click
      goTo(current.row);
    } else if (event.key === 'Escape') select(null);
  });
}

// Of each series the point that stands nearest beside this one, in the order of the series.
function alike(points, current, step) {
  const best = new Map([[current.series, current]]);
  for (const p of points) {
    const known = best.get(p.series);
    if (p.series !== current.series && (!known || Math.abs(p.px - current.px) < Math.abs(known.px - current.px))) {
      best.set(p.series, p);
    }
  }
  return [...best.values()].sort((a, b) => a.series.color - b.series.color);
}
