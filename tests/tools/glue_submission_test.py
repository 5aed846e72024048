"""GLUE's submission: names, headers, sizes and rejected predictions."""

import subprocess
import sys
import zipfile

import pytest

from system.errors import UserError
from tools import glue_submission

_FILES = {
  'CoLA.tsv': 1063,
  'SST-2.tsv': 1821,
  'MRPC.tsv': 1725,
  'STS-B.tsv': 1379,
  'QQP.tsv': 390965,
  'MNLI-m.tsv': 9796,
  'MNLI-mm.tsv': 9847,
  'QNLI.tsv': 5463,
  'RTE.tsv': 3000,
  'WNLI.tsv': 146,
  'AX.tsv': 1104,
}


@pytest.fixture(autouse=True)
def _few_questions(monkeypatch):
  """Cuts QQP's test set, nine tenths of all rows, to nine rows."""
  assert {t.file: t.num_rows for t in glue_submission.TEST_SETS} == _FILES
  monkeypatch.setattr(
    glue_submission,
    'TEST_SETS',
    [
      t._replace(num_rows=9) if t.task == 'QQP' else t
      for t in glue_submission.TEST_SETS
    ],
  )


def _write(folder, count, label, name='predictions.tsv', header=''):
  folder.mkdir(exist_ok=True)
  # Not in the order of the indices.
  rows = [f'{i}\t{label(i)}\n' for i in reversed(range(count))]
  header = header or 'example_id\tprediction\n'
  (folder / name).write_text(''.join([header, *rows]))


def _runs(folder):
  """Makes a folder for each task and returns the flag that names them."""
  for test_set in glue_submission.TEST_SETS:
    labels = {'STS-B': ['-0.5', '5.25', '3.25']}.get(
      test_set.task, [test_set.filler]
    )
    _write(
      folder / test_set.task,
      test_set.num_rows,
      lambda i, labels=labels: labels[i % len(labels)],
      test_set.predictions,
    )
  names = dict.fromkeys(t.task for t in glue_submission.TEST_SETS)
  return [f'{name.lower()}={folder / name}' for name in names]


def test_files_have_the_names_headers_and_rows_that_glue_requires(tmp_path):
  texts, filled = glue_submission.collect(
    glue_submission.parse_folders(_runs(tmp_path)), fill_missing=False
  )
  assert list(texts) == list(_FILES) and not filled
  for name, text in texts.items():
    lines = text.splitlines()
    assert lines[0] == 'index\tprediction'
    size = 9 if name == 'QQP.tsv' else _FILES[name]
    indices = [int(line.split('\t')[0]) for line in lines[1:]]
    assert indices == list(range(size))
  assert texts['STS-B.tsv'].splitlines()[1:4] == ['0\t0.0', '1\t5.0', '2\t3.25']


def test_the_zip_is_the_same_each_time(tmp_path):
  texts = {'CoLA.tsv': 'index\tprediction\n0\t1\n', 'AX.tsv': 'x'}
  for name in ('a.zip', 'b.zip'):
    glue_submission.write_zip(str(tmp_path / name), texts)
  assert (tmp_path / 'a.zip').read_bytes() == (tmp_path / 'b.zip').read_bytes()
  with zipfile.ZipFile(tmp_path / 'a.zip') as archive:
    assert {n: archive.read(n).decode() for n in archive.namelist()} == texts
  assert sorted(p.name for p in tmp_path.iterdir()) == ['a.zip', 'b.zip']


def test_missing_tasks_are_named_or_filled(tmp_path):
  _write(tmp_path / 'CoLA', 1063, lambda i: i % 2)
  folders = {'CoLA': str(tmp_path / 'CoLA')}
  with pytest.raises(UserError, match='lacks .* SST-2.tsv, .*MNLI-mm.tsv'):
    glue_submission.collect(folders, fill_missing=False)
  texts, filled = glue_submission.collect(folders, fill_missing=True)
  assert filled == [name for name in _FILES if name != 'CoLA.tsv']
  assert texts['CoLA.tsv'].startswith('index\tprediction\n0\t0\n1\t1\n2\t0\n')
  assert texts['AX.tsv'].splitlines()[-1] == '1103\tentailment'


@pytest.mark.parametrize(
  ('count', 'label', 'header', 'message'),
  [
    (145, '1', '', 'has 145 predictions, .* WNLI.tsv has 146'),
    (147, '1', '', 'has 147 predictions, .* WNLI.tsv has 146'),
    (146, 'yes', '', "predicts 'yes', expected one of 0, 1"),
    (146, '1', 'example_id\tlabel\n', 'no header with'),
    (146, '1\t0', 'example_id\tprediction\tlabel\n', 'not those of the test'),
  ],
)
def test_predictions_of_another_test_set_are_rejected(
  tmp_path, count, label, header, message
):
  _write(tmp_path / 'run', count, lambda i: label, header=header)
  with pytest.raises(UserError, match=message):
    glue_submission.collect({'WNLI': str(tmp_path / 'run')}, fill_missing=True)


def test_ids_that_are_not_the_indices_are_rejected(tmp_path):
  rows = ''.join(f'{i + 1}\t0\n' for i in range(146))
  (tmp_path / 'predictions.tsv').write_text('example_id\tprediction\n' + rows)
  with pytest.raises(UserError, match='are 0 to 145; 1 .*, the first is 0'):
    glue_submission.collect({'WNLI': str(tmp_path)}, fill_missing=True)


def test_a_diverged_regressor_is_rejected(tmp_path):
  _write(tmp_path / 'run', 1379, lambda i: 'nan')
  with pytest.raises(UserError, match='predicts nan: the model has diverged'):
    glue_submission.collect({'STS-B': str(tmp_path / 'run')}, fill_missing=True)


@pytest.mark.parametrize(
  ('items', 'message'),
  [
    (['out/cola'], "expected TASK=FOLDER, received 'out/cola'; tasks: CoLA"),
    (['cola2=out'], 'expected TASK=FOLDER'),
    (['CoLA='], 'expected TASK=FOLDER'),
    (['CoLA=a', 'cola=b'], 'cola is given twice'),
  ],
)
def test_malformed_items_are_rejected(items, message):
  with pytest.raises(UserError, match=message):
    glue_submission.parse_folders(items)


@pytest.mark.slow
def test_the_tool_writes_the_zip(tmp_path):
  _write(tmp_path / 'WNLI', 146, lambda i: 1)
  command = [
    *[sys.executable, '-m', 'tools.glue_submission', '--fill_missing'],
    f'--predictions=wnli={tmp_path / "WNLI"}',
    f'--output_file={tmp_path / "submission.zip"}',
  ]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert 'One constant label in: CoLA.tsv, SST-2.tsv' in done.stderr
  with zipfile.ZipFile(tmp_path / 'submission.zip') as archive:
    lines = {
      n: archive.read(n).decode().splitlines() for n in archive.namelist()
    }
  assert {name: len(x) - 1 for name, x in lines.items()} == _FILES
  assert lines['WNLI.tsv'][-1] == '145\t1'
