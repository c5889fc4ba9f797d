// The plots of one table at a time: which, along which axes, which rows; what is pointed at, in all plots at once.

const plots = {at: null, box: null, legend: null, select: null, axes: {}};

function startPlots() {
  const there = data.tables.map((table, i) => [table, i]).filter(([table]) => table.panels.length);
  if (!there.length) return;
  plots.select = make('select', {id: 'table', onchange: () => showPlots(Number(plots.select.value))},
    ...there.map(([table, i]) => make('option', {value: String(i)}, `${table.task} · ${table.title}`)));
  plots.legend = make('div', {class: 'legend', role: 'group', 'aria-label': 'Rows: press to hide one'});
  plots.box = make('div', {class: 'panels'});
  sectionOf('plots', 'Plots', make('form', {class: 'controls', onsubmit: (event) => event.preventDefault()},
    make('label', {for: 'table'}, 'Table'), plots.select), plots.legend, plots.box);
  const most = there.reduce((a, b) => (richness(b[0]) > richness(a[0]) ? b : a));
  showPlots(most[1]);
  board.listeners.push(() => showPlots(plots.at));
  let width = document.documentElement.clientWidth;
  addEventListener('resize', () => {
    if (document.documentElement.clientWidth !== width) showPlots(plots.at);
    width = document.documentElement.clientWidth;
  });
}

function richness(table) {
  return table.panels.length * 1000 + table.rows.length;
}

function showPlots(at, go = false) {
  plots.at = at;
  plots.select.value = String(at);
  const table = data.tables[at];
  plots.legend.replaceChildren(...table.rows.map((row, i) => entryOf(row, i)).filter(Boolean));
  plots.box.replaceChildren(...table.panels.flatMap((panel) => (panel.kind !== 'cost' ? [figureOf(panel, panel.xs)] : [
    make('p', {class: 'said'}, panel.about), ...panel.xs.map((x) => figureOf(panel, [x]))])));
  for (const figure of plots.box.querySelectorAll('figure')) figure.redraw();
  hideTip();
  if (go) {
    document.getElementById('plots').scrollIntoView();
    plots.select.focus({preventScroll: true});
  }
}

function entryOf(row, i) {
  const {name} = data.rows[row];
  if (!shared.shown[row]) return null;
  const {labels} = data.tables[plots.at];
  return make('button', {type: 'button', class: `entry ${colorOf(i)}`, 'aria-pressed': String(!shared.hidden.has(name)),
    onpointerenter: () => highlight(name), onpointerleave: () => highlight(null),
    onclick: () => {
      if (!shared.hidden.delete(name)) shared.hidden.add(name);
      showPlots(plots.at);
      plots.legend.querySelectorAll('button')[[...data.tables[plots.at].rows].filter((r) => shared.shown[r]).indexOf(row)].focus();
    }},
  draw('svg', {viewBox: '-7 -7 14 14', width: 14, height: 14, 'aria-hidden': 'true'}, draw('path', {d: shapeOf(i)})),
  make('span', {class: 'name'}, labels[i]));
}

// A panel with its choice of axes, which stays when another table is shown.
function figureOf(panel, xs) {
  const kept = plots.axes[panel.kind] || {};
  const find = (list, label) => list.find((axis) => axis.label === label) || list[0];
  const chosen = {x: xs.length > 1 ? find(xs, kept.x) : xs[0], y: find(panel.ys, kept.y)};
  const place = make('div', {class: 'place'});
  const pick = (which, list) => (list.length < 2 ? null : make('select', {'aria-label': `${panel.title}: ${which} axis`,
    onchange: (event) => {
      chosen[which] = list[event.target.selectedIndex];
      plots.axes[panel.kind] = {x: chosen.x.label, y: chosen.y.label};
      figure.redraw();
    }}, ...list.map((axis) => make('option', {selected: axis === chosen[which]}, axis.label))));
  const title = panel.kind === 'cost' ? `${panel.ys[0].label} against ${xs[0].label}` : panel.title;
  const levels = panel.kind === 'target' ? make('p', {class: 'legend'}, ...panel.series.map((s) =>
    make('span', {class: `entry ${colorOf(s.color)}`}, draw('svg', {viewBox: '-7 -7 14 14', width: 14, height: 14,
      'aria-hidden': 'true'}, draw('path', {d: shapeOf(s.color)})), s.name))) : null;
  const yLabel = make('span', {class: 'ylabel'}, panel.ys.length < 2 && panel.kind !== 'cost' ? panel.ys[0].label : '');
  const figure = make('figure', {class: panel.kind}, make('figcaption', {}, make('strong', {}, title), ' ',
    panel.kind === 'cost' ? null : make('span', {class: 'said'}, panel.about)),
  make('div', {class: 'axis-choice'}, pick('y', panel.ys), yLabel, pick('x', xs)), levels, place);
  figure.redraw = () => place.replaceChildren(plotOf(panel, chosen.x, chosen.y, Math.max(260, place.clientWidth)));
  return figure;
}

function highlight(name) {
  for (const svg of plots.box.querySelectorAll('svg.plot')) {
    svg.classList.toggle('dim', name !== null);
    for (const group of svg.querySelectorAll('.series')) group.classList.toggle('on', group.dataset.name === name);
  }
}

function showTip(svg, p, panel, x, y) {
  const tip = document.getElementById('tip');
  const low = panel.kind === 'rank' ? undefined : p.series.data.low?.[p.i];
  const interval = typeof low === 'number' && (panel.kind === 'cost' || y.key === 'val')
    ? ` [${short4(low)}, ${short4(p.series.data.high[p.i])}]` : '';
  const said = [
    panel.kind === 'target' ? `to ${p.series.name}` : `${y.label}: ${short4(p.y)}${interval}`,
    `${x.label}: ${short(p.x)}`,
    p.series.front.includes(x.key) ? 'on the front' : '',
    p.series.doubted.includes(x.key) ? 'timed with too much noise to use' : '',
    panel.kind === 'cost' ? flagsOf(p.row).join(' ') : '',
  ].filter(Boolean);
  tip.replaceChildren(make('strong', {class: 'name'}, nameOf(p)), ...said.map((text) => make('div', {}, text)));
  tip.hidden = false;
  const at = svg.getBoundingClientRect();
  const scale = at.width / svg.viewBox.baseVal.width;
  const left = at.left + p.px * scale + 14;
  const fits = left + tip.offsetWidth < document.documentElement.clientWidth - 4;
  tip.style.left = `${Math.max(4, fits ? left : left - tip.offsetWidth - 28)}px`;
  tip.style.top = `${Math.max(4, Math.min(innerHeight - tip.offsetHeight - 4, at.top + p.py * scale - tip.offsetHeight / 2))}px`;
}

function hideTip() {
  document.getElementById('tip').hidden = true;
}
