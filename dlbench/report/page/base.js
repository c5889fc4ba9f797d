// What everything else uses: the data, elements, what is shown and who wants to know, the theme.

const data = JSON.parse(document.getElementById('data').textContent);
const columnAt = new Map(data.columns.map(([name], i) => [name, i]));
const main = document.querySelector('main');
const shared = {
  shown: data.rows.map(() => true), // by the filter
  hidden: new Set(), // names that the legend has switched off
};

// An element with properties, attributes, listeners (on...) and children. Texts become text nodes, never markup.
function make(tag, given = {}, ...children) {
  return filledIn(document.createElement(tag), given, children);
}

function draw(tag, given = {}, ...children) {
  return filledIn(document.createElementNS('http://www.w3.org/2000/svg', tag), given, children);
}

function filledIn(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// What a row has in a column; a number of JSON, or the text of one that JSON has no word for.
function valueOf(row, name) {
  const at = columnAt.get(name);
  return at === undefined ? null : asNumber(data.rows[row].values[at], data.columns[at][1]);
}

function asNumber(value, kind) {
  return kind === 'number' && typeof value === 'string' ? Number(value) : value;
}

function flagsOf(row) {
  return String(valueOf(row, 'flags') || '').split(' ').filter(Boolean);
}

function sectionOf(id, heading, ...children) {
  const section = make('section', {id, 'aria-labelledby': `${id}-heading`},
    make('h2', {id: `${id}-heading`}, heading), ...children);
  main.append(section);
  document.querySelector('nav').append(make('a', {href: `#${id}`}, heading));
  return section;
}

// As a shell takes it for one word.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

function startTheme() {
  const button = document.getElementById('theme');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const now = () => root.dataset.theme || (dark.matches ? 'dark' : 'light');
  const say = () => {
    button.textContent = now() === 'dark' ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Change to the ${button.textContent.toLowerCase()} theme`);
  };
  try {
    const kept = localStorage.getItem('dlbench-theme');
    if (kept === 'dark' || kept === 'light') root.dataset.theme = kept;
  } catch { /* a file may have no storage */ }
  button.addEventListener('click', () => {
    root.dataset.theme = now() === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem('dlbench-theme', root.dataset.theme);
    } catch { /* then it lasts as long as the page */ }
    say();
  });
  dark.addEventListener('change', say);
  say();
}
