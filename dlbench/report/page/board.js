// The leaderboard: a table for each title, a body for each task; sorted within bodies, filtered over all.

const board = {lines: new Map(), bodies: [], parts: [], sorted: null, count: null, listeners: []};

function startBoard() {
  const section = sectionOf('leaderboard', 'Leaderboard', controls());
  for (const part of data.parts) section.append(partOf(part));
  if (!data.rows.length) section.append(make('p', {}, 'No rows.'));
  section.append(legendOfFlags());
  filterBoard();
}

function controls() {
  const input = make('input', {type: 'search', id: 'filter', placeholder: 'mlp  -constant  params<1M  mean>95%',
    autocomplete: 'off', spellcheck: 'false', oninput: filterBoard});
  const suites = choice('suite', 'All suites');
  const tasks = choice('task', 'All tasks');
  board.count = make('p', {id: 'count', role: 'status'});
  Object.assign(board, {input, suites, tasks});
  return make('form', {class: 'controls', onsubmit: (event) => event.preventDefault()},
    make('label', {for: 'filter'}, 'Filter'), input, suites, tasks,
    make('button', {type: 'button', onclick: reset}, 'Reset'), board.count);
}

function choice(column, all) {
  const values = [...new Set(data.rows.map((_, row) => valueOf(row, column)))];
  const select = make('select', {'aria-label': column, onchange: filterBoard}, make('option', {value: ''}, all),
    ...values.map((value, i) => make('option', {value: String(i + 1)}, value)));
  select.wanted = () => (select.selectedIndex > 0 ? values[select.selectedIndex - 1] : null);
  select.hidden = values.length < 2;
  return select;
}

function reset() {
  board.input.value = '';
  board.suites.selectedIndex = board.tasks.selectedIndex = 0;
  shared.hidden.clear();
  sortBoard(null);
  filterBoard();
}

function partOf(part) {
  const table = make('table', {}, make('thead', {}, make('tr', {}, ...part.head.map(headOf))));
  for (const group of part.groups) table.append(bodyOf(part, group));
  const said = part.all_rows ? make('p', {class: 'said'}, 'All rows: ', ...marks(part.all_rows.split(' '))) : null;
  const box = make('div', {class: 'part'}, make('h3', {class: 'name'}, part.title), said,
    make('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': part.title}, table));
  board.parts.push({box, bodies: part.groups.length});
  return box;
}

function headOf([label, column]) {
  const left = label === 'model' || label === 'treatment' || label === 'notes';
  return make('th', {scope: 'col', 'data-column': column, 'aria-sort': 'none', class: left ? 'left' : null},
    make('button', {type: 'button', title: `Sort by ${column}`, onclick: () => sortBoard(column)}, label));
}

function bodyOf(part, group) {
  const at = data.tables.findIndex((table) => table.rows.includes(group.rows[0]));
  const plots = data.tables[at]?.panels.length
    ? make('button', {type: 'button', class: 'link', onclick: () => showPlots(at, true)}, 'plots') : null;
  const heading = make('tr', {class: 'task'}, make('th', {scope: 'rowgroup', colspan: String(part.head.length)},
    make('span', {class: 'name'}, group.heading), ' ', plots));
  const body = make('tbody', {}, heading);
  for (const row of group.rows) {
    const line = lineOf(part, row);
    board.lines.set(row, {line, detail: null});
    body.append(line);
  }
  board.bodies.push({body, heading, rows: group.rows, order: group.rows});
  return body;
}

function lineOf(part, row) {
  const flags = flagsOf(row);
  const cells = part.cells[row].map((text, i) => {
    const [label, column] = part.head[i];
    if (label === 'model') {
      return make('th', {scope: 'row', class: 'left'}, make('button', {type: 'button', class: 'row name',
        'aria-expanded': 'false', onclick: () => toggleDetail(row)}, text));
    }
    if (label === 'notes') return make('td', {class: 'left notes'}, ...marks(text.split(' ').filter(Boolean)));
    if (label === 'treatment') return make('td', {class: 'left name'}, text);
    const doubted = flags.includes('unusable') && data.speeds.includes(column) && text !== '-';
    return make('td', doubted ? {class: 'doubted', title: 'timed with too much noise to use'} : {},
      doubted ? `~${text}` : text);
  });
  return make('tr', {class: 'line', id: `row-${row + 1}`}, ...cells);
}

function marks(words) {
  return words.flatMap((word) => [make('span', {class: data.flags[word] === undefined ? 'status' : 'flag',
    title: data.flags[word] || null}, word), ' ']);
}

function legendOfFlags() {
  const said = Object.entries(data.flags).filter(([, text]) => text);
  return make('details', {class: 'legend-flags'}, make('summary', {}, 'What the flags mean'),
    make('dl', {}, ...said.flatMap(([flag, text]) => [make('dt', {}, flag), make('dd', {}, text)])));
}

// Once the best first, once the other way, then as the tables have it.
function sortBoard(column) {
  const before = board.sorted;
  if (column === null) board.sorted = null;
  else if (before?.column !== column) board.sorted = {column, turned: false};
  else board.sorted = before.turned ? null : {column, turned: true};
  for (const each of board.bodies) {
    each.order = board.sorted ? [...each.rows].sort((a, b) => compareRows(a, b, board.sorted)) : each.rows;
    each.body.append(...each.order.flatMap((row) => {
      const {line, detail} = board.lines.get(row);
      return detail ? [line, detail] : [line];
    }));
  }
  for (const head of document.querySelectorAll('th[data-column]')) {
    const mine = board.sorted && head.dataset.column === board.sorted.column;
    head.setAttribute('aria-sort', !mine ? 'none' : goesUp(head.dataset.column) !== board.sorted.turned
      ? 'ascending' : 'descending');
  }
}

// Whether the column's best is its smallest; of the mean that is the task's to say.
function goesUp(column) {
  return column !== 'mean' && !data.columns[columnAt.get(column)]?.[2];
}

function compareRows(a, b, {column, turned}) {
  let [x, y] = [sortKey(a, column), sortKey(b, column)];
  const empty = (value) => value === null || value === '' || Number.isNaN(value);
  if (empty(x) || empty(y)) return empty(x) - empty(y); // last either way
  let order = typeof x === 'number' ? x - y || 0 : x.localeCompare(y, undefined, {numeric: true});
  const up = column === 'mean' ? !valueOf(a, 'higher_is_better') : goesUp(column);
  return (up ? order : -order) * (turned ? -1 : 1);
}

function sortKey(row, column) {
  if (column === 'model') return data.rows[row].name;
  const value = valueOf(row, column);
  if (column !== 'rank' || !value) return value;
  const [low, high] = value.split('-').map(Number);
  return low + (high || low) / 1e6; // `1-3` stands before `2`
}

function filterBoard() {
  const {holds, unknown} = parsed(board.input.value);
  const [suite, task] = [board.suites.wanted(), board.tasks.wanted()];
  let count = 0;
  for (const [row, {line, detail}] of board.lines) {
    const shown = holds(row) && (suite === null || valueOf(row, 'suite') === suite) &&
      (task === null || valueOf(row, 'task') === task);
    shared.shown[row] = shown;
    line.hidden = !shown;
    if (detail) detail.hidden = !shown || !isOpen(row);
    count += shown;
  }
  let at = 0;
  for (const {box, bodies} of board.parts) {
    const mine = board.bodies.slice(at, at += bodies);
    for (const each of mine) each.body.hidden = !each.rows.some((row) => shared.shown[row]);
    box.hidden = mine.every((each) => each.body.hidden);
  }
  board.count.textContent = `${count} of ${data.rows.length} rows` +
    (count < data.rows.length ? '; ranks are those of the whole table' : '') +
    (unknown.length ? `. Not understood: ${unknown.join(' ')}` : '');
  board.input.setAttribute('aria-invalid', String(unknown.length > 0));
  for (const listener of board.listeners) listener();
}
