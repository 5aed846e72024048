"""The flags of a corpus, checked in a process without TensorFlow."""

import json
import subprocess
import sys

_CODE = """
import json, sys
from absl import flags
from cli import corpus_flags, flag_group, run_flags
from data.text.corpus_options import CorpusOptions
from system.errors import UserError
flag_group.define(CorpusOptions)
results = []
for arguments in json.loads(sys.argv[1]):
  flags.FLAGS.unparse_flags()
  try:
    run_flags.parse(['script', *arguments])
    corpus_flags.check()
    results.append(corpus_flags.corpus().paths)
  except UserError as error:
    results.append(flag_group.as_flags(str(error)))
print(json.dumps([results, 'tensorflow' in sys.modules]))
"""


def _run(*cases):
  done = subprocess.run(
    [sys.executable, '-c', _CODE, json.dumps(cases)],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  results, imported = json.loads(done.stdout)
  assert not imported
  return results


def test_wrong_flags_and_those_without_effect_are_refused(tmp_path):
  (tmp_path / 'a').write_text('a')
  file = f'--input_file={tmp_path}/a'
  results = _run(
    [],
    [file],
    [file, '--input_format=jsonl', '--text_field=b'],
    [file, '--input_format=jsonl', '--language=de'],
    [file, '--input_format=text', '--text_field=text'],
    [file, '--language=en'],
    [file, '--input_format=jsonl', '--tfds_data_dir=b'],
    [file, '--min_document_characters=0'],
    [file, '--deduplicate', '--min_document_characters=10'],
  )
  found = [str(tmp_path / 'a')]
  assert results == [
    '--input_file must be given',
    found,
    found,
    '--language cannot take effect: sentences are not split',
    '--text_field cannot take effect: '
    '--input_format is not jsonl or parquet or tfds',
    '--language cannot take effect: --input_format is bert',
    '--tfds_data_dir cannot take effect: --input_format is not tfds',
    'flag --min_document_characters=0: 0 is not an integer in the range '
    '[1, 100000]',
    found,
  ]
