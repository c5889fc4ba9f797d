// What failed, pictures, where it ran, how to ask again.

function startFailures() {
  const lists = [['Rows that did not end ok', data.notes], ['Files that could not be read', data.problems]];
  const told = lists.filter(([, lines]) => lines.length).flatMap(([heading, lines]) => [make('h3', {}, heading),
    make('ul', {class: 'failures'}, ...lines.map((line) => make('li', {class: 'name'}, line)))]);
  sectionOf('failures', 'Failures', ...(told.length ? told : [make('p', {}, 'None: every cell and profile ended ok.')]));
}

function startPictures() {
  if (!data.pictures.length && !data.pictures_left_out.length) return;
  const shown = data.pictures.map(([row, file, uri]) => make('figure', {class: 'picture'},
    make('img', {src: uri, alt: `${data.rows[row].name} on ${valueOf(row, 'task')}: ${file}`, loading: 'lazy'}),
    make('figcaption', {}, make('button', {type: 'button', class: 'link name', onclick: () => goTo(row)},
      data.rows[row].name), make('div', {class: 'name said'}, `${valueOf(row, 'task')}`))));
  sectionOf('pictures', 'Pictures', make('p', {class: 'said'}, 'What tasks drew, of the first seed of each row.'),
    make('div', {class: 'pictures'}, ...shown),
    data.pictures_left_out.length
      ? make('p', {class: 'said name'}, `Too large for this page: ${data.pictures_left_out.join(', ')}`) : null);
}

function startEnvironment() {
  const boxes = data.environments.map(({about, records, first, last}) => {
    const days = [first, last].map((time) => time.slice(0, 10));
    return pairs([...about, ['records', String(records)],
      ['made', days[0] === days[1] ? days[0] : `${days[0]} to ${days[1]}`]]);
  });
  sectionOf('environment', 'Environment', ...boxes);
}

function startHelp() {
  sectionOf('help', 'How to read this', make('ul', {},
    ...[
      'A row is a model under one recipe, over its seeds. Press its name for every column, its records and the commands that run them again.',
      'A rank is an interval where the seeds leave it open; it holds within one task under one title. Press a heading to sort, twice for the other way, three times for the table’s own order.',
      'The filter takes words that a row must hold, -words that it must not, and columns with <, <=, >, >=, = or !=: params<1M, mean>=95%, rank=1, "vit tiny". What was not measured keeps no row.',
      'Plots: point at anything, or focus a plot and use the arrow keys; Enter or a click opens the row. Press a name in the legend to hide it.',
      'Numbers that are not finite are shown as NaN or ∞ and are not drawn. Long curves are thinned; times to a target and ranks were counted before.',
    ].map((text) => make('li', {}, text))));
}
