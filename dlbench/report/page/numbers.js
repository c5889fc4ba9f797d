// Numbers as texts, texts as numbers, and the filter's words.

const UNITS = {k: 1e3, M: 1e6, G: 1e9, T: 1e12, '%': 0.01};
const COMPARE = {
  '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b,
  '=': (a, b) => a === b, '!=': (a, b) => a !== b,
};
const SEARCHED = ['task', 'model', 'options', 'treatment', 'family', 'variant', 'status', 'flags', 'suite'];

// Three significant digits, with k, M, G or T from a thousand on.
function short(value) {
  if (value === null || value === undefined) return '-';
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '-∞';
  for (const [letter, size] of [['T', 1e12], ['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
    if (Math.abs(value) >= size * 0.9995) return trimmed(value / size) + letter;
  }
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : trimmed(value);
}

function trimmed(value) {
  return String(Number(value.toPrecision(3)));
}

// As the CSV has it.
function exact(value) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value !== 'number') return String(value);
  return Number.isFinite(value) ? String(value) : short(value);
}

// `1.5M`, `97%`, `2e-3`; NaN for anything else.
function quantity(text) {
  const found = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)([kMGT%]?)$/.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2]] || 1) : NaN;
}

// A filter's text as a test of rows, and what of it isn't understood. All words must hold: `mlp`, `-constant`,
// `params<1M`, `task=digits`, `"vit tiny"`.
function parsed(text) {
  const tests = [];
  const unknown = [];
  for (const [word, minus, name, sign, wanted, phrase] of
    text.matchAll(/(-?)(?:([A-Za-z_][\w.]*)(<=|>=|!=|<|>|=)("[^"]*"|\S+)|("[^"]*"|\S+))/g)) {
    const test = name === undefined ? containing(phrase) : comparing(name, sign, wanted);
    if (test === null) unknown.push(word);
    else tests.push(minus ? (row) => !test(row) : test);
  }
  return {holds: (row) => tests.every((test) => test(row)), unknown};
}

function containing(phrase) {
  const wanted = phrase.replaceAll('"', '').toLowerCase();
  return (row) => searchText(row).includes(wanted);
}

const searchTexts = [];
function searchText(row) {
  searchTexts[row] ??= SEARCHED.map((name) => valueOf(row, name) || '').join(' ').toLowerCase();
  return searchTexts[row];
}

function comparing(name, sign, wanted) {
  const at = columnAt.get(name);
  if (at === undefined) return null;
  const plain = wanted.replaceAll('"', '');
  if (data.columns[at][1] !== 'number') {
    if (sign !== '=' && sign !== '!=') return null;
    return (row) => COMPARE[sign](exact(valueOf(row, name) ?? ''), plain);
  }
  const limit = quantity(plain);
  if (Number.isNaN(limit)) return null;
  return (row) => {
    const value = valueOf(row, name);
    return value !== null && COMPARE[sign](value, limit); // what isn't measured keeps no row
  };
}
