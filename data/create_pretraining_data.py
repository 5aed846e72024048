"""Makes pre-training records from text: masked LM and next sentence.

The text has a sentence a line and blank lines between documents, or any other
form that --input_format names; plain or compressed.

  python data/create_pretraining_data.py --input_file='wiki-*.txt.gz' \\
    --output_file=wiki.tfrecord --vocab_file=vocab.txt

The same text, vocabulary and flags give the same bytes, whatever the number of
workers. A command that was stopped goes on when it is given again: files of
--num_shards that are whole are not made again.
"""

import os

from absl import flags

from cli import corpus_flags, script, vocabulary_flags
from data.pretraining.options import (
  NGRAM_DISTRIBUTIONS,
  MaskingOptions,
  Options,
)

FLAGS = flags.FLAGS

for group in (corpus_flags, vocabulary_flags):
  group.define()
  flags.adopt_module_key_flags(group)

flags.DEFINE_string(
  'output_file',
  None,
  'TFRecord files to write, separated by commas; each gets a part of the '
  'records. Beside them a manifest is written, last.',
)
flags.DEFINE_integer(
  'num_shards',
  None,
  'Write so many files, named <output_file>-00000-of-000NN. Each appears when '
  'it is whole, and a command that was stopped goes on after them.',
  lower_bound=1,
)
flags.DEFINE_integer(
  'num_workers',
  None,
  'Threads to use; one a core if not given. Changes nothing in the records.',
  lower_bound=1,
)
flags.DEFINE_bool(
  'dry_run',
  False,
  'Read a sample, print ten records and what the whole will cost in time and '
  'disk; write nothing.',
)
flags.DEFINE_bool(
  'do_whole_word_mask',
  False,
  'Whether to mask whole words instead of single wordpieces.',
)
flags.DEFINE_integer(
  'max_ngram',
  1,
  'Mask runs of up to so many wordpieces, or with --do_whole_word_mask words.',
)
flags.DEFINE_enum(
  'ngram_distribution',
  'inverse',
  NGRAM_DISTRIBUTIONS,
  "How long runs are: 'inverse' as in ALBERT (in proportion to 1/n), "
  "'geometric' as in SpanBERT (0.8**n).",
)
flags.DEFINE_bool(
  'dynamic_masking',
  False,
  'Whether to write records without masks. run_pretraining.py then masks them '
  'anew in each epoch, by the masking flags given here.',
)
flags.DEFINE_bool(
  'sentence_order_prediction',
  False,
  "Whether B is what follows A or, half the time, A's and B's places are "
  'changed (ALBERT), instead of text from another document.',
)
flags.DEFINE_integer(
  'max_seq_length', 128, 'Tokens in a record, [CLS] and [SEP] included.'
)
flags.DEFINE_integer(
  'max_predictions_per_seq', 20, 'The most tokens that are masked in a record.'
)
flags.DEFINE_integer(
  'random_seed', 12345, 'Another seed gives other pairs and other masks.'
)
flags.DEFINE_integer(
  'dupe_factor', 10, 'How many times the text is used, masked differently.'
)
flags.DEFINE_float('masked_lm_prob', 0.15, 'The share of tokens to mask.')
flags.DEFINE_float(
  'short_seq_prob',
  0.1,
  'The share of documents cut to records shorter than --max_seq_length.',
)


def main(_: list[str]) -> None:
  """Checks the flags, then makes the records or shows some."""
  script.require('input_file', 'vocab_file')
  if not FLAGS.dry_run:
    script.require('output_file')
  options = _options()
  options.check()
  corpus_flags.check()
  if FLAGS.max_ngram == 1:
    script.refuse_if_given(['ngram_distribution'], '--max_ngram is 1')
  num_workers = FLAGS.num_workers or os.cpu_count() or 1
  vocabulary = (FLAGS.vocab_file, FLAGS.do_lower_case)
  corpus = corpus_flags.corpus()
  if FLAGS.dry_run:
    from data.pretraining import dry_run

    for line in dry_run.run(corpus, vocabulary, options, num_workers):
      print(line)
    return
  from data.pretraining import creation

  outputs = creation.output_paths(FLAGS.output_file, FLAGS.num_shards)
  creation.create(corpus, outputs, vocabulary, options, num_workers)


def _options() -> Options:
  masking = MaskingOptions(
    max_predictions_per_seq=FLAGS.max_predictions_per_seq,
    masked_lm_prob=FLAGS.masked_lm_prob,
    do_whole_word_mask=FLAGS.do_whole_word_mask,
    max_ngram=FLAGS.max_ngram,
    ngram_distribution=FLAGS.ngram_distribution,
  )
  return Options(
    masking=masking,
    max_seq_length=FLAGS.max_seq_length,
    random_seed=FLAGS.random_seed,
    dupe_factor=FLAGS.dupe_factor,
    short_seq_prob=FLAGS.short_seq_prob,
    sentence_order_prediction=FLAGS.sentence_order_prediction,
    dynamic_masking=FLAGS.dynamic_masking,
  )


if __name__ == '__main__':
  script.run(main)
