"""Measures what it costs to draw masks in training.

    python benchmarks/dynamic_masking.py --masked='static-*' \\
        --unmasked='dynamic-*' --vocab_file=vocab.txt

Both are records that create_pretraining_data.py made of the same text, with
--dynamic_masking and without. Each is read as run_pretraining.py reads it, to
batches that are thrown away. Rounds of the two take turns, so that other load
on the machine meets both. What is measured begins after the first batch.
"""

import statistics
import time

from absl import app, flags

_MASKED = flags.DEFINE_string(
  'masked', None, 'Records with masks.', required=True
)
_UNMASKED = flags.DEFINE_string(
  'unmasked', None, 'Records without masks.', required=True
)
_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', None, 'The vocabulary of both.', required=True
)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 32, 'Records in a batch.', 1)
_NUM_BATCHES = flags.DEFINE_integer(
  'num_batches', 3000, 'Batches in a round.', 1
)
_NUM_ROUNDS = flags.DEFINE_integer(
  'num_rounds', 5, 'Rounds of each; medians are printed.', 1
)


def _source(patterns: str, vocabulary):
  """Returns a `RecordSource`; the manifest tells its lengths."""
  from data.pretraining import input_records, manifest
  from data.pretraining.dynamic_masking import DynamicMasking
  from data.records import feature_spec
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
  """Returns the wall time and the CPU time of all threads for a round."""
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


def main(argv: list[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments: {argv[1:]}')
  from data.text.tokenization import load_vocabulary

  vocabulary = load_vocabulary(_VOCAB_FILE.value)
  masked = _source(_MASKED.value, vocabulary)
  unmasked = _source(_UNMASKED.value, vocabulary)
  steps = [i * _NUM_BATCHES.value for i in range(_NUM_ROUNDS.value)]
  rounds = [(_seconds(masked, i), _seconds(unmasked, i)) for i in steps]
  count = _NUM_BATCHES.value * _BATCH_SIZE.value
  for i, kind in enumerate(('wall', 'CPU')):
    read, drawn = zip(*((a[i], b[i]) for a, b in rounds), strict=True)
    ratios = sorted(a / b for a, b in zip(read, drawn, strict=True))
    print(
      f'Records a second of {kind} time: '
      f'masks read {count / statistics.median(read):,.0f}, '
      f'drawn {count / statistics.median(drawn):,.0f}; '
      f'ratio {statistics.median(ratios):.2f} '
      f'({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} rounds)'
    )


if __name__ == '__main__':
  app.run(main)
