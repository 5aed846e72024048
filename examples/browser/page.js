// The page: ?text=... fills in texts; several are allowed.

import {load} from './model.js';

const MODEL = 'model/onnx';
const form = document.querySelector('form');
const texts = document.getElementById('texts');
const state = document.getElementById('state');
const rows = document.getElementById('rows');

const given = new URLSearchParams(location.search).getAll('text');
if (given.length) texts.value = given.join('\n');

try {
  const predict = await load(MODEL);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    show(predict);
  });
  form.querySelector('button').disabled = false;
  await show(predict);
} catch (error) {
  state.value = `${error.message} Is there an export in ${MODEL}, and ` +
    'transformers.js in node_modules? README.md has the commands.';
}

async function show(predict) {
  const lines = texts.value.split('\n').filter((line) => line.trim());
  const start = performance.now();
  try {
    const answers = lines.length ? await predict(lines) : [];
    state.value = `${(performance.now() - start).toFixed(0)} ms`;
    rows.replaceChildren(...lines.map((line, i) => row(line, answers[i])));
  } catch (error) {
    state.value = error.message;
    rows.replaceChildren();
  }
}

function row(text, {label, probability, value}) {
  const cells = label === undefined
    ? [text, value.toFixed(4), '']
    : [text, label, probability.toFixed(4)];
  const element = document.createElement('tr');
  for (const cell of cells) element.insertCell().textContent = cell;
  return element;
}
