// Labels texts with an ONNX export, by transformers.js and ONNX Runtime Web.

import {
  AutoModelForSequenceClassification,
  AutoTokenizer,
  Tensor,
  env,
} from './node_modules/@huggingface/transformers/dist/transformers.min.js';

// Everything comes from this folder's server.
const HERE = new URL('.', import.meta.url);
env.allowRemoteModels = false;
env.allowLocalModels = true;
// transformers.js takes no URL here. The page lies in the same folder.
env.localModelPath = './';
env.backends.onnx.wasm.wasmPaths =
  new URL('node_modules/onnxruntime-web/dist/', HERE).href;

/**
 * Loads an export.
 *
 * @param {string} folder The export's, below this one.
 * @param {string} dtype 'fp32' for onnx/model.onnx, 'q8' for
 *   onnx/model_quantized.onnx.
 * @returns {Promise<function(string[]): Promise<object[]>>} A function that
 *   labels texts. Of a model of pairs, a tab separates the two texts of an
 *   input; any other number of texts is an error. For each input it returns
 *   `label` and `probability`, or, of a regressor, `value`.
 */
export async function load(folder, dtype = 'fp32') {
  const [tokenizer, model, record] = await Promise.all([
    AutoTokenizer.from_pretrained(folder),
    AutoModelForSequenceClassification.from_pretrained(
      folder, {dtype, device: 'wasm'}),
    fetch(new URL(`${folder}/export.json`, HERE)).then((x) => x.json()),
  ]);
  return async (texts) => {
    const pairs = texts.map(
      (text) => record.takes_pairs ? pairOf(text) : [text]);
    const {logits} = await model(
      inputs(pairs, tokenizer, record.max_seq_length));
    return logits.tolist().map(
      (row) => answer(row, model.config.id2label, record.temperature));
  };
}

// Cuts as BERT does. The truncation of transformers.js drops the last [SEP],
// and the whole second text of a pair if the first one is long.
function inputs(pairs, tokenizer, length) {
  const idsOf = (text, special = false) => tokenizer(
    text, {add_special_tokens: special, return_tensor: false}).input_ids;
  const [cls, sep] = idsOf('', true);
  const rows = pairs.map((texts) => {
    const [a, b = []] = texts.map((text) => [...idsOf(text)]);
    const room = length - (b.length ? 3 : 2);
    while (a.length + b.length > room) (a.length > b.length ? a : b).pop();
    const first = [cls, ...a, sep];
    return {first, second: b.length ? [...b, sep] : []};
  });
  const longest = Math.max(
    ...rows.map(({first, second}) => first.length + second.length));
  const padded = (toRow, pad = 0) => new Tensor(
    'int64',
    BigInt64Array.from(rows.flatMap((row) => {
      const values = toRow(row);
      return [...values, ...Array(longest - values.length).fill(pad)];
    }), BigInt),
    [rows.length, longest]);
  return {
    input_ids: padded(
      ({first, second}) => [...first, ...second], tokenizer.pad_token_id ?? 0),
    attention_mask: padded(
      ({first, second}) => Array(first.length + second.length).fill(1)),
    token_type_ids: padded(
      ({first, second}) => [
        ...Array(first.length).fill(0), ...Array(second.length).fill(1)]),
  };
}

function pairOf(text) {
  const pair = text.split('\t');
  if (pair.length === 2) return pair;
  throw new Error(
    `found ${pair.length} texts in "${text}", expected two, ` +
    'separated by a tab');
}

function answer(logits, labels, temperature) {
  if (logits.length === 1) return {value: logits[0]};
  const largest = Math.max(...logits);
  const powers = logits.map((x) => Math.exp((x - largest) / temperature));
  return {
    label: labels[logits.indexOf(largest)],
    probability: 1 / powers.reduce((a, b) => a + b),
  };
}
