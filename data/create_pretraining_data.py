"""Makes pre-training records from text: masked LM and next sentence.

The text has a sentence a line and blank lines between documents, or any other
form that --input_format names; plain or compressed.

  python data/create_pretraining_data.py --input_file='wiki-*.txt.gz' \\
    --output_file=wiki.tfrecord --vocab_file=vocab.txt

The same text, vocabulary and flags give the same bytes, whatever the number of
workers. A command that was stopped goes on when it is given again: files that
are whole are not made again.
"""

from absl import flags

from cli import (
  beam_flags,
  corpus_flags,
  flag_group,
  pretraining_records_flags,
  script,
  vocabulary_flags,
)
from system import threads

FLAGS = flags.FLAGS

for group in (
  *(corpus_flags, vocabulary_flags, pretraining_records_flags, beam_flags),
):
  group.define()
  flags.adopt_module_key_flags(group)

flags.DEFINE_string(
  'output_file',
  None,
  'TFRecord files to write, separated by commas; each gets a part of the '
  'records. A manifest is written beside them, last.',
)
flags.DEFINE_integer(
  'num_shards',
  None,
  'Added: write so many files, <output_file>-00000-of-000NN. Each appears when '
  'it is whole, and a command that was stopped goes on after them.',
  lower_bound=1,
)
flags.DEFINE_integer(
  'num_workers',
  None,
  'Added: threads to use; one a core if not given. The records are the same.',
  lower_bound=1,
)
flags.DEFINE_bool(
  'dry_run',
  False,
  'Added: read a sample, print ten records and what all will cost in time and '
  'disk; write nothing.',
)


def main(_: list[str]) -> None:
  """Checks the flags, then makes the records or shows some."""
  output = [] if FLAGS.dry_run else ['output_file']
  flag_group.require('input_file', *output, 'vocab_file')
  options = pretraining_records_flags.options()
  corpus_flags.check()
  beam_flags.check()
  # Before the text is looked for: it may be where only Beam can read.
  engine = beam_flags.engine()
  num_workers = FLAGS.num_workers or threads.num_cores()
  vocabulary = (FLAGS.vocab_file, FLAGS.do_lower_case)
  if FLAGS.dry_run:
    from data.pretraining import dry_run

    corpus = corpus_flags.corpus()
    script.show(dry_run.run(corpus, vocabulary, options, num_workers))
    return
  from data.pretraining import creation

  outputs = creation.output_paths(FLAGS.output_file, FLAGS.num_shards)
  creation.create(
    corpus_flags.corpus(), outputs, vocabulary, options, num_workers, engine
  )


if __name__ == '__main__':
  script.run(main)
