"""Measures the cost of drawing masks during pre-training.

  python -m benchmarks.dynamic_masking --masked='static-*' \\
    --unmasked='dynamic-*' --vocab_file=vocab.txt

It checks that --dynamic_masking does not slow training down. Both inputs are
records that create_pretraining_data.py made of the same text, without
--dynamic_masking and with it. The benchmark reads each as run_pretraining.py
does and discards the batches. Rounds alternate, so that other load on the
machine affects both. Timing begins after the first batch.
"""

import statistics
import time

from absl import flags

from benchmarks import comparison
from cli import script
from data.pretraining import input_records, manifest
from data.records import feature_spec

_MASKED = flags.DEFINE_string(
  'masked', None, 'Records with masks.', required=True
)
_UNMASKED = flags.DEFINE_string(
  'unmasked', None, 'Records without masks.', required=True
)
_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', None, 'The vocabulary of both.', required=True
)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 32, 'Records per batch.', 1)
_NUM_BATCHES = flags.DEFINE_integer(
  'num_batches', 3000, 'Batches per round.', 1
)
_NUM_ROUNDS = flags.DEFINE_integer(
  'num_rounds', 5, 'Number of rounds for each input.', 1
)


def _source(patterns: str, vocabulary):
  """Returns the `RecordSource` of some files, sized by their manifest."""
  from data.pretraining.dynamic_masking import DynamicMasking
  from data.records.record_source import RecordSource

  found = manifest.find(input_records.expand(patterns))
  options = next(iter(found.values())).options
  fields, complete = feature_spec.PRETRAINING, None
  if masking := input_records.dynamic_masking(found):
    fields = feature_spec.UNMASKED_PRETRAINING
    complete = DynamicMasking(vocabulary, masking, seed=0)
  return RecordSource(
    tuple(found),
    fields,
    {'S': options.max_seq_length, 'P': options.masking.max_predictions_per_seq},
    len(vocabulary.tokens),
    complete=complete,
  )


def _seconds(source, start_step: int) -> tuple[float, float]:
  """Times one round: wall time, and CPU time of all threads."""
  from data.records import record_index, training_input
  from data.records.training_order import TrainingOrder

  indexes = [record_index.load_index(path) for path in source.paths]
  order = TrainingOrder(indexes, _BATCH_SIZE.value, seed=0)
  iterator = iter(training_input.training_batches(source, order, start_step))
  next(iterator)
  start, cpu_start = time.perf_counter(), time.process_time()
  for _ in range(_NUM_BATCHES.value):
    next(iterator)
  return time.perf_counter() - start, time.process_time() - cpu_start


def main(_: list[str]) -> None:
  """Prints the speeds of both inputs and their ratio."""
  from data.text.vocabulary import load_vocabulary

  vocabulary = load_vocabulary(_VOCAB_FILE.value)
  masked = _source(_MASKED.value, vocabulary)
  unmasked = _source(_UNMASKED.value, vocabulary)
  steps = [i * _NUM_BATCHES.value for i in range(_NUM_ROUNDS.value)]
  rounds = [(_seconds(masked, i), _seconds(unmasked, i)) for i in steps]
  count = _NUM_BATCHES.value * _BATCH_SIZE.value
  for i, kind in enumerate(('wall', 'CPU')):
    static, dynamic = zip(*((a[i], b[i]) for a, b in rounds), strict=True)
    ratios = [a / b for a, b in zip(static, dynamic, strict=True)]
    print(
      f'Records per second of {kind} time: '
      f'masks from the records {count / statistics.median(static):,.0f}, '
      f'drawn masks {count / statistics.median(dynamic):,.0f}; '
      f'ratio {comparison.spread(ratios, 2)}'
    )


if __name__ == '__main__':
  script.run(main)
