"""create_pretraining_data.py as a process."""

import pathlib
import subprocess
import sys

import pytest

from data.records import record_index

ROOT = pathlib.Path(__file__).resolve().parents[2]
AS_FILE = [str(ROOT / 'data' / 'create_pretraining_data.py')]
AS_MODULE = ['-m', 'data.create_pretraining_data']


def run(*arguments: str, cwd=ROOT) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd
  )


@pytest.mark.slow
def test_script_writes_records(tmp_path):
  tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'c']
  (tmp_path / 'vocab.txt').write_text('\n'.join(tokens))
  (tmp_path / '1.txt').write_text('a b c\nb c\n\nc\n')
  (tmp_path / '2.txt').write_text('\nA\n')
  result = run(
    *AS_FILE,
    f'--input_file={tmp_path}/?.txt',
    '--output_file=0,1',
    f'--vocab_file={tmp_path}/vocab.txt',
    '--do_lower_case=True',
    '--do_whole_word_mask=True',
    '--max_seq_length=16',
    '--max_predictions_per_seq=3',
    '--random_seed=5',
    '--dupe_factor=4',
    '--masked_lm_prob=0.2',
    '--short_seq_prob=0',
    cwd=tmp_path,
  )
  assert result.returncode == 0, result.stderr
  assert '3 documents' in result.stderr
  assert (tmp_path / '0.manifest.json').exists()
  # 4 rounds of 3 documents, the first of which gives one record or two. The
  # files hold half of them each.
  counts = [
    record_index.load_index(str(tmp_path / n)).num_records for n in '01'
  ]
  assert 12 <= sum(counts) <= 16
  assert counts[1] - counts[0] in (0, 1)


@pytest.mark.parametrize('script', [AS_FILE, AS_MODULE])
def test_flags_come_from_a_file(tmp_path, script):
  (tmp_path / 'flags').write_text('--input_file=a\n--vocab_file=b\n')
  result = run(*script, f'--flagfile={tmp_path}/flags')
  assert result.stderr == 'ERROR: --output_file must be given\n'


@pytest.mark.parametrize(
  'arguments, message',
  [
    (
      ['--dupe_factor=x'],
      "flag --dupe_factor=x: invalid literal for int() with base 10: 'x'",
    ),
    (['--input_file=a'], '--output_file, --vocab_file must be given'),
    (
      ['--input_file=a', '--output_file=b', '--vocab_file=c']
      + ['--max_seq_length=4'],
      'flag --max_seq_length=4: 4 is not an integer in the range [5, 65536]',
    ),
    (
      ['--input_file=a', '--output_file=b', '--vocab_file=c']
      + ['--beam_pipeline_options=project=p'],
      '--beam_pipeline_options cannot take effect: --beam_runner is not given',
    ),
    (
      ['--input_file=a', '--output_file=b', '--vocab_file=c']
      + ['--beam_runner=DirectRunner', '--num_workers=2'],
      '--num_workers cannot take effect: --beam_runner is DirectRunner',
    ),
    (
      ['--input_file=a', '--output_file=b', '--vocab_file=c']
      + ['--ngram_distribution=geometric'],
      '--ngram_distribution cannot take effect: --max_ngram is 1',
    ),
    (
      ['--input_file=a', '--output_file=b', '--vocab_file=c']
      + ['--masked_lm_prob=1'],
      '--masked_lm_prob=1.0: expected more than 0 and less than 1',
    ),
  ],
)
def test_mistake_is_one_line_on_standard_error(arguments, message):
  result = run(*AS_FILE, *arguments)
  assert result.returncode == 1
  assert result.stderr == f'ERROR: {message}\n'
