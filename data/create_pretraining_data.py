"""Makes pre-training records from text: masked LM and next sentence.

The text has one sentence a line and blank lines between documents, or another
form that --input_format names; plain or compressed.

  python data/create_pretraining_data.py --input_file='wiki-*.txt.gz' \\
    --output_file=wiki.tfrecord --vocab_file=vocab.txt

The same text, vocabulary and flags give the same bytes, for any number of
workers. A stopped command resumes when it is started again: it keeps the files
that are complete.
"""

from absl import flags

from cli import corpus_flags, flag_group, script
from data.pretraining.beam import beam_options
from data.pretraining.beam.beam_options import BeamOptions
from data.pretraining.job_options import JobOptions
from data.pretraining.options import MaskingOptions, Options
from data.text.vocabulary_options import TokenizerOptions
from system import threads

FLAGS = flags.FLAGS

corpus_flags.define()
flags.adopt_module_key_flags(corpus_flags)
_GROUPS = (JobOptions, Options, MaskingOptions, BeamOptions)
flag_group.define(TokenizerOptions, *_GROUPS)


def main(_: list[str]) -> None:
  """Checks the flags, then makes the records or shows some."""
  job = flag_group.read(JobOptions)
  output = [] if job.dry_run else ['output_file']
  flag_group.require('input_file', *output, 'vocab_file')
  flag_group.refuse_without_effect(*_GROUPS)
  options = flag_group.read(Options, masking=flag_group.read(MaskingOptions))
  options.check()
  corpus_flags.check()
  # Before the text is looked for: perhaps only Beam can read it.
  engine = beam_options.load_engine(flag_group.read(BeamOptions))
  corpus = corpus_flags.corpus()
  vocabulary = (FLAGS.vocab_file, FLAGS.do_lower_case)
  num_workers = job.num_workers or threads.num_cores()
  # The imports wait until all flags are checked: TensorFlow takes seconds.
  if job.dry_run:
    from data.pretraining import dry_run

    script.show(dry_run.run(corpus, vocabulary, options, num_workers))
  else:
    from data.pretraining import creation

    outputs = creation.output_paths(job.output_file, job.num_shards)
    creation.create_records(
      corpus, outputs, vocabulary, options, num_workers, engine
    )


if __name__ == '__main__':
  script.run(main)
