r"""Splits one table of labelled texts into train, dev and test.

  python -m tools.split_table --input_file=reviews.csv --text_column=review \
    --label_column=stars --output_dir=splits
  python run_classifier.py --task_name=custom --data_dir=splits ...

dev and test get each label's share. No text is in two splits. The same
tables, columns and --split_seed give the same splits. The folder holds train,
dev and test with the columns sentence, sentence2 (for pairs) and label, and
split.json, which counts examples, labels, duplicates and rows left out.
"""

from absl import flags

from cli import flag_group, script
from data.tasks import split_folder
from data.tasks.split_options import SplitOptions

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flag_group.define(SplitOptions)
  flags.DEFINE_string('output_dir', None, 'The folder for the splits.')


def main(_: list[str]) -> None:
  """Splits the table."""
  flag_group.require('input_file', 'output_dir')
  flag_group.refuse_without_effect(SplitOptions)
  split_folder.write(flag_group.read(SplitOptions), FLAGS.output_dir)


if __name__ == '__main__':
  define_flags()
  script.run(main)
