r"""Unpacks the encoder that comes with this project.

  python -m tools.unpack_encoder --vocab_file=models/vocab.txt \
    --output_dir=models/uncased_L-2_H-128_A-2

The output is a folder like Google's: bert_config.json, vocab.txt and
bert_model.ckpt in float32. `--init_checkpoint` takes it. The encoder is
BERT-Tiny, pre-trained; encoders/uncased_L-2_H-128_A-2/README.md describes it.

The repository has the weights in float16 and without the vocabulary, which is
the released uncased one: any uncased BERT has it next to its weights. The
checksums of weights, configuration and vocabulary are checked first.

Tested by `tests/modeling/checkpoints/embedded_encoder_test.py`.
"""

from absl import flags

from cli import flag_group, script
from modeling.checkpoints import embedded_encoder
from modeling.checkpoints.file_names import CONFIG, PREFIX, VOCAB

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'vocab_file',
    None,
    'The released uncased vocabulary, which MiniLM and any uncased BERT have.',
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    f'The folder to write {CONFIG}, {VOCAB} and {PREFIX} to.',
  )


def main(_: list[str]) -> None:
  """Unpacks the encoder and prints where it is."""
  flag_group.require('vocab_file', 'output_dir')
  embedded_encoder.unpack(
    embedded_encoder.FOLDER, FLAGS.vocab_file, FLAGS.output_dir
  )
  print(FLAGS.output_dir)


if __name__ == '__main__':
  define_flags()
  script.run(main)
