"""Collects the predictions of several runs into a zip for GLUE's site.

Each run is one of `run_classifier.py` or `run_distillation.py` with
--do_predict, on GLUE's own test files:

  python -m tools.glue_submission --output_file=submission.zip \\
    --predictions=CoLA=out/cola,SST-2=out/sst2,MNLI=out/mnli,AX=out/ax
"""

from absl import flags, logging

from cli import flag_group, script

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_list(
    'predictions',
    None,
    'TASK=FOLDER, separated by commas: the output_dir of each run. That of '
    'MNLI gives two files, matched and mismatched.',
  )
  flags.DEFINE_string('output_file', None, 'The zip file to write.')
  flags.DEFINE_bool(
    'fill_missing',
    False,
    'Whether test sets without a run get one label throughout. GLUE takes all '
    'files or none; their scores then mean nothing.',
  )


def main(_: list[str]) -> None:
  """Writes the zip file."""
  flag_group.require('predictions', 'output_file')
  from tools import submission

  texts, filled = submission.collect(
    submission.parse_folders(FLAGS.predictions), FLAGS.fill_missing
  )
  submission.write_zip(FLAGS.output_file, texts)
  if filled:
    logging.warning('One label throughout: %s', ', '.join(filled))
  logging.info('Wrote %d files to %s', len(texts), FLAGS.output_file)


if __name__ == '__main__':
  define_flags()
  script.run(main)
