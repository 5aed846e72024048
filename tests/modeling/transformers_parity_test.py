"""Checks imported and exported models against Hugging Face's `transformers`.

`pip install -e .[test,parity]` installs it.
"""

import pathlib
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers')

from data.text.vocabulary import SPECIAL  # noqa: E402
from modeling import models  # noqa: E402
from modeling.checkpoints import exporting, loading, location  # noqa: E402
from modeling.configs import BertConfig  # noqa: E402
from modeling.encoder import BertEncoder  # noqa: E402
from tools.import_hugging_face import import_folder  # noqa: E402

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4
SMALL = {
  'vocab_size': 200,
  'hidden_size': 32,
  'num_hidden_layers': 3,
  'num_attention_heads': 4,
  'intermediate_size': 64,
  'max_position_embeddings': 40,
  'type_vocab_size': 2,
  # Large enough to drive every nonlinearity away from its linear part.
  'initializer_range': 0.3,
}

SENTENCE_PAIRS = (
  ('The film is a gentle, funny surprise.', 'I would watch it again.'),
  ('Anarchism is a political philosophy that advocates stateless societies.',)
  * 2,
  ('No.', 'It was, frankly, two hours and 17 minutes of my life wasted!'),
  ("Returns the indices of the array's maximum along an axis.", 'Naïve café'),
)


def make_features(vocab_size=200, num_rows=5, length=24):
  """Returns random ids of several lengths, two segments, padded."""
  rng = np.random.default_rng(7)
  lengths = rng.integers(5, length + 1, num_rows)
  positions = np.arange(length)
  return {
    'input_ids': rng.integers(0, vocab_size, (num_rows, length)),
    'input_mask': (positions < lengths[:, None]).astype(np.int64),
    'segment_ids': (positions >= 4).astype(np.int64)
    * np.ones((num_rows, 1), np.int64),
    'masked_lm_positions': rng.integers(0, 5, (num_rows, 3)),
  }


def run_theirs(model, features):
  """Runs a PyTorch model without dropout; returns its outputs in NumPy."""
  with torch.no_grad():
    outputs = model.eval()(
      input_ids=torch.tensor(features['input_ids']),
      attention_mask=torch.tensor(features['input_mask']),
      token_type_ids=torch.tensor(features['segment_ids']),
    )
  return {name: value.numpy() for name, value in outputs.items()}


def load_ours(make_model, folder, **arguments):
  """Builds one of our models and loads all its weights from a folder."""
  config = BertConfig.from_json_file(f'{folder}/bert_config.json')
  model = make_model(config, **arguments)
  report = loading.load_released(
    location.locate(str(folder)), models.released_variables(model)
  )
  assert not report.missing and not report.mismatched
  return model


def assert_near(ours, theirs):
  assert ours.shape == theirs.shape
  assert np.abs(theirs).max() > 0.1  # Outputs near 0 would prove nothing.
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def assert_same_pretraining_outputs(ours, theirs, features):
  predicted = ours(features)
  expected = run_theirs(theirs, features)
  rows = np.arange(len(features['input_ids']))[:, None]
  assert_near(
    predicted['masked_lm_logits'].numpy(),
    expected['prediction_logits'][rows, features['masked_lm_positions']],
  )
  assert_near(
    predicted['next_sentence_logits'].numpy(),
    expected['seq_relationship_logits'],
  )


def perturb(variables):
  """Moves every variable, so that no bias or gain keeps its initial value."""
  rng = np.random.default_rng(3)
  for variable in variables.values():
    noise = rng.normal(0.0, 0.1, variable.shape).astype(np.float32)
    variable.assign_add(noise)


@pytest.mark.parametrize(
  ('ours', 'theirs'), [('gelu', 'gelu_new'), ('gelu_erf', 'gelu')]
)
def test_load_tf_weights_in_bert_reads_our_pretraining_checkpoint(
  tmp_path, ours, theirs
):
  config = BertConfig.from_dict(SMALL | {'hidden_act': ours})
  model = models.PreTrainer(config, seed=1)
  variables = models.released_variables(model)
  perturb(variables)
  prefix = exporting.export(str(tmp_path), 3, variables, config)

  judge = transformers.BertForPreTraining(
    transformers.BertConfig(**SMALL, hidden_act=theirs)
  )
  transformers.models.bert.modeling_bert.load_tf_weights_in_bert(
    judge, judge.config, prefix
  )
  assert_same_pretraining_outputs(model, judge, make_features())


def save_theirs(model, folder):
  model.save_pretrained(folder)
  words = [*SPECIAL, *(f'word{i}' for i in range(5, SMALL['vocab_size']))]
  (folder / 'vocab.txt').write_text(''.join(f'{word}\n' for word in words))


def test_import_of_a_pretraining_model_computes_the_same(tmp_path):
  theirs = transformers.BertForPreTraining(transformers.BertConfig(**SMALL))
  torch.manual_seed(5)
  with torch.no_grad():
    for parameter in theirs.parameters():
      parameter.add_(0.1 * torch.randn_like(parameter))
  save_theirs(theirs, tmp_path / 'theirs')
  import_folder(str(tmp_path / 'theirs'), str(tmp_path / 'ours'))
  ours = load_ours(models.PreTrainer, tmp_path / 'ours')
  assert_same_pretraining_outputs(ours, theirs, make_features())


def test_import_of_a_classifier_computes_the_same(tmp_path):
  theirs = transformers.BertForSequenceClassification(
    transformers.BertConfig(**SMALL, hidden_act='gelu_new', num_labels=3)
  )
  save_theirs(theirs, tmp_path / 'theirs')
  import_folder(str(tmp_path / 'theirs'), str(tmp_path / 'ours'))
  ours = load_ours(models.Classifier, tmp_path / 'ours', num_outputs=3)
  features = make_features()
  assert_near(
    ours(features)['logits'].numpy(), run_theirs(theirs, features)['logits']
  )


@pytest.fixture
def minilm(tmp_path):
  """MiniLM's Hugging Face folder, fetched by our own recipe."""
  script = pathlib.Path(__file__).parents[2] / 'recipes' / 'fetch_minilm.sh'
  result = subprocess.run(
    [script, tmp_path / 'fetched'], capture_output=True, text=True
  )
  if result.returncode:
    pytest.skip(f'MiniLM cannot be fetched: {result.stderr[-200:]}')
  return result.stdout.strip()


def test_import_of_minilm_computes_the_same_on_real_sentences(minilm, tmp_path):
  tokenizer = transformers.BertTokenizer(f'{minilm}/vocab.txt')
  encoded = tokenizer(
    *map(list, zip(*SENTENCE_PAIRS, strict=True)),
    padding=True,
    return_tensors='np',
  )
  features = {
    'input_ids': encoded['input_ids'],
    'input_mask': encoded['attention_mask'],
    'segment_ids': encoded['token_type_ids'],
  }
  import_folder(minilm, str(tmp_path))
  ours = load_ours(BertEncoder, tmp_path)(*features.values())
  theirs = run_theirs(transformers.BertModel.from_pretrained(minilm), features)
  real = features['input_mask'] == 1
  assert not real.all()  # There is padding.
  assert_near(
    ours['sequence_output'].numpy()[real], theirs['last_hidden_state'][real]
  )
  assert_near(ours['pooled_output'].numpy(), theirs['pooler_output'])
