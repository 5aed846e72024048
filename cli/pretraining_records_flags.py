"""What pre-training records are to be."""

import functools

from absl import flags, logging

from cli import flag_group
from data.pretraining.options import (
  NGRAM_DISTRIBUTIONS,
  MaskingOptions,
  Options,
)

FLAGS = flags.FLAGS


@functools.cache
def define() -> None:
  """The original's flags, and those of ALBERT, SpanBERT and RoBERTa."""
  flags.DEFINE_integer(
    'max_seq_length', 128, 'Tokens in a record, [CLS] and [SEP] included.'
  )
  flags.DEFINE_integer(
    'random_seed', 12345, 'Another seed gives other pairs and other masks.'
  )
  flags.DEFINE_integer(
    'dupe_factor', 10, 'How many times the text is used, masked differently.'
  )
  flags.DEFINE_float(
    'short_seq_prob',
    0.1,
    'The share of documents cut to records shorter than --max_seq_length.',
  )
  flags.DEFINE_bool(
    'sentence_order_prediction',
    False,
    'Added: whether B is what follows A, their places changed half the time '
    '(ALBERT), instead of text from another document half the time.',
  )
  _define_masking()


def _define_masking() -> None:
  flags.DEFINE_integer(
    'max_predictions_per_seq',
    20,
    'The most tokens that are masked in a record.',
  )
  flags.DEFINE_float('masked_lm_prob', 0.15, 'The share of tokens to mask.')
  flags.DEFINE_bool(
    'do_whole_word_mask',
    False,
    'Whether to mask whole words instead of single wordpieces.',
  )
  flags.DEFINE_integer(
    'max_ngram',
    1,
    'Added: mask runs of up to so many wordpieces, or whole words with '
    '--do_whole_word_mask.',
  )
  flags.DEFINE_enum(
    'ngram_distribution',
    'inverse',
    NGRAM_DISTRIBUTIONS,
    "Added: how long the runs are: 'inverse', in proportion to 1/n (ALBERT), "
    "or 'geometric', to 0.8**n (SpanBERT).",
  )
  flags.DEFINE_bool(
    'dynamic_masking',
    False,
    'Added: whether to write records without masks. run_pretraining.py then '
    'masks them anew in each epoch (RoBERTa), by the masking flags given here.',
  )


def options() -> Options:
  """Returns what the flags say.

  Raises:
    UserError: a value is out of its range, or has no effect.
  """
  if FLAGS.max_ngram == 1:
    flag_group.refuse_if_given(['ngram_distribution'], '--max_ngram is 1')
  masking = MaskingOptions(
    max_predictions_per_seq=FLAGS.max_predictions_per_seq,
    masked_lm_prob=FLAGS.masked_lm_prob,
    do_whole_word_mask=FLAGS.do_whole_word_mask,
    max_ngram=FLAGS.max_ngram,
    ngram_distribution=FLAGS.ngram_distribution,
  )
  chosen = Options(
    masking=masking,
    max_seq_length=FLAGS.max_seq_length,
    random_seed=FLAGS.random_seed,
    dupe_factor=FLAGS.dupe_factor,
    short_seq_prob=FLAGS.short_seq_prob,
    sentence_order_prediction=FLAGS.sentence_order_prediction,
    dynamic_masking=FLAGS.dynamic_masking,
  )
  chosen.check()
  _warn_of_few_masks(chosen)
  return chosen


def _warn_of_few_masks(chosen: Options) -> None:
  """Says where P keeps long records from their share of masks."""
  masking = chosen.masking
  wanted = round(chosen.max_seq_length * masking.masked_lm_prob)
  if masking.max_predictions_per_seq < wanted and not chosen.dynamic_masking:
    logging.warning(
      '--max_predictions_per_seq=%d: of the longest records --masked_lm_prob '
      'would mask %d tokens',
      *(masking.max_predictions_per_seq, wanted),
    )
