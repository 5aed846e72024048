"""Makes pre-training records from text: masked LM and next sentence.

The text has one sentence per line and blank lines between documents, or another
form that --input_format names; plain or compressed.

  python data/create_pretraining_data.py --input_file='wiki-*.txt.gz' \\
    --output_file=wiki.tfrecord --vocab_file=vocab.txt

The same text, vocabulary and flags give the same bytes, for any number of
workers. A stopped command resumes when it is started again: it keeps the files
that are complete.
"""

from cli import flag_group, input_paths, script
from data.pretraining import output_files
from data.pretraining.beam import beam_options
from data.pretraining.creation_options import CreationOptions
from system import threads

_GROUPS = flag_group.groups_in(CreationOptions)
flag_group.define(*_GROUPS)


def main(_: list[str]) -> None:
  """Turns the flags into options, and makes the records or shows some."""
  options = _read_options()
  # Before looking for the text, which perhaps only Beam can read.
  engine = beam_options.load_engine(options.beam)

  from data.text.corpus import Corpus

  tokenizer, records, output = (
    options.tokenizer,
    options.records,
    options.output,
  )
  paths = (
    output_files.paths_of(output.output_file, output.num_shards)
    if output.output_file
    else []
  )
  corpus = Corpus(options.corpus, is_own=output_files.own_files(paths))

  from data.pretraining import creation, dry_run

  num_workers = output.num_workers or threads.num_cores()
  if output.dry_run:
    script.show(dry_run.run(corpus, tokenizer, records, num_workers))
  else:
    creation.create_records(
      corpus, paths, tokenizer, records, num_workers, engine
    )


def _read_options() -> CreationOptions:
  options = flag_group.read_all(CreationOptions)
  output_file = [] if options.output.dry_run else ['output_file']
  flag_group.require('input_file', *output_file, 'vocab_file')
  flag_group.refuse_without_effect(*_GROUPS)
  options.check()
  input_paths.check(options)
  return options


if __name__ == '__main__':
  script.run(main)
