"""The flags that say what records are to be."""

import subprocess
import sys

_CODE = """
import sys
from absl import flags
from cli import pretraining_records_flags
pretraining_records_flags.define()
for arguments in (
  [],
  ['--max_seq_length=512'],
  ['--max_seq_length=512', '--max_predictions_per_seq=77'],
  ['--max_predictions_per_seq=20', '--dynamic_masking'],
):
  flags.FLAGS.unparse_flags()
  flags.FLAGS(['script', *arguments])
  pretraining_records_flags.options()
  print('next', file=sys.stderr)
"""


def test_too_few_predictions_for_the_share_of_masks_are_a_warning():
  done = subprocess.run(
    [sys.executable, '-c', _CODE], capture_output=True, text=True, check=True
  )
  shown = done.stderr.split('next')
  assert '--max_predictions_per_seq=20: of the longest records' in shown[1]
  assert '--masked_lm_prob would mask 77 tokens' in shown[1]
  assert 'predictions' not in shown[0] + shown[2] + shown[3]
