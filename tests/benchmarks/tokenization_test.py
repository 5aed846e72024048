"""The command that compares tokenizers, with a fake original."""

import subprocess
import sys

import pytest

# Splits at spaces, as both tokenizers do with the words of the tiny world.
_TOKENIZER = """
class FullTokenizer:
  def __init__(self, vocab_file, do_lower_case):
    self._ids = {x: i for i, x in enumerate(open(vocab_file).read().split())}

  def tokenize(self, text):
    return text.split()

  def convert_tokens_to_ids(self, tokens):
    return [self._ids[token] SHIFT for token in tokens]
"""


def _run(world, shift):
  code = _TOKENIZER.replace('SHIFT', shift)
  (world / 'tokenization.py').write_text(code)
  return subprocess.run(
    [
      *[sys.executable, '-m', 'benchmarks.tokenization'],
      *[f'--vocab_file={world}/vocab.txt', f'--input_file={world}/text.txt'],
      *[f'--reference_dir={world}', '--num_rounds=2', '--num_lines=20'],
    ],
    capture_output=True,
    text=True,
  )


@pytest.mark.slow
def test_equal_ids_are_timed_and_different_ids_are_an_error(world):
  done = _run(world, shift='')
  assert done.returncode == 0, done.stderr
  first, *_, ratio = done.stdout.splitlines()
  assert first.startswith('20 lines') and first.endswith('the same ids')
  assert ratio.startswith('ratio') and ratio.endswith('in 2 rounds)')
  done = _run(world, shift='+ 1')
  assert done.returncode == 1
  assert 'the original gives' in done.stderr
