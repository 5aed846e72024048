"""Makes pre-training records from text: masked LM and next sentence.

The text has a sentence a line and blank lines between documents, plain or gzip.

  python data/create_pretraining_data.py --input_file='wiki-*.txt.gz' \\
    --output_file=wiki.tfrecord --vocab_file=vocab.txt
"""

from absl import flags

from cli import script, vocabulary_flags
from data import pretraining_data
from data.pretraining_records import Options

FLAGS = flags.FLAGS

vocabulary_flags.define()
flags.adopt_module_key_flags(vocabulary_flags)

flags.DEFINE_string(
  'input_file',
  None,
  'Text files, plain or gzip: globs, separated by commas.',
)
flags.DEFINE_string(
  'output_file',
  None,
  'TFRecord files to write, separated by commas; the records go to them in '
  'turn.',
)
flags.DEFINE_bool(
  'do_whole_word_mask',
  False,
  'Whether to mask whole words instead of single wordpieces.',
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
  script.require('input_file', 'output_file', 'vocab_file')
  options = Options(
    do_whole_word_mask=FLAGS.do_whole_word_mask,
    max_seq_length=FLAGS.max_seq_length,
    max_predictions_per_seq=FLAGS.max_predictions_per_seq,
    random_seed=FLAGS.random_seed,
    dupe_factor=FLAGS.dupe_factor,
    masked_lm_prob=FLAGS.masked_lm_prob,
    short_seq_prob=FLAGS.short_seq_prob,
  )
  pretraining_data.create(
    FLAGS.input_file,
    FLAGS.output_file,
    FLAGS.vocab_file,
    FLAGS.do_lower_case,
    options,
  )


if __name__ == '__main__':
  script.run(main)
