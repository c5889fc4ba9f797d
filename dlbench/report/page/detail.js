// What stands behind a row: every column, the other metrics, each record and the command that makes it again.

function isOpen(row) {
  return board.lines.get(row).line.querySelector('button.row').getAttribute('aria-expanded') === 'true';
}

function toggleDetail(row, open = !isOpen(row)) {
  const entry = board.lines.get(row);
  if (open && !entry.detail) {
    entry.detail = make('tr', {class: 'detail'}, make('td', {colspan: String(entry.line.cells.length)}, detailOf(row)));
    entry.line.after(entry.detail);
  }
  entry.line.querySelector('button.row').setAttribute('aria-expanded', String(open));
  if (entry.detail) entry.detail.hidden = !open;
}

// Open a row and go there, from a plot or a picture.
function goTo(row) {
  if (!shared.shown[row]) reset();
  toggleDetail(row, true);
  const {line} = board.lines.get(row);
  line.scrollIntoView({block: 'center'});
  line.querySelector('button.row').focus({preventScroll: true});
}

function detailOf(row) {
  const {metrics, records} = data.rows[row];
  const told = data.columns.map(([name]) => [name, valueOf(row, name)])
    .filter(([name, value]) => value !== null && value !== '' && name !== 'records');
  return make('div', {class: 'inside'},
    make('h4', {}, 'Records'), recordsOf(row, records),
    make('h4', {}, 'Columns'), pairs(told.map(([name, value]) => [name, exact(value)])),
    metrics.length ? make('h4', {}, 'Other metrics on test, means over seeds') : null,
    metrics.length ? pairs(metrics.map(([name, value]) => [name, exact(asNumber(value, 'number'))])) : null);
}

function pairs(list) {
  return make('dl', {class: 'pairs'}, ...list.map(([name, value]) =>
    make('div', {}, make('dt', {class: 'name'}, name), make('dd', {class: 'name'}, value))));
}

function recordsOf(row, records) {
  const metric = valueOf(row, 'metric');
  const lines = records.map(([name, seed, status, score, folder]) => make('tr', {},
    make('td', {}, seed === null ? 'profile' : String(seed)),
    make('td', {}, status),
    make('td', {}, score === null ? '-' : exact(asNumber(score, 'number'))),
    make('td', {class: 'left'}, fileOf(name, folder))));
  return make('div', {class: 'scroll'}, make('table', {class: 'records'},
    make('thead', {}, make('tr', {}, ...['seed', 'status', metric, 'record, and what runs it again'].map((text, i) =>
      make('th', {scope: 'col', class: i === 3 ? 'left' : null}, text)))),
    make('tbody', {}, ...lines)));
}

function fileOf(name, folder) {
  if (folder === null) return make('span', {class: 'name'}, name);
  const [shown, link] = data.folders[folder];
  const path = `${shown}/${name}.json`;
  const text = link ? make('a', {class: 'name', href: `${link}/${encodeURIComponent(name)}.json`}, path)
    : make('span', {class: 'name'}, path);
  return make('span', {}, text, make('br'), make('code', {class: 'name'}, `dlbench reproduce ${quoted(path)}`));
}
