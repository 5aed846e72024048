"""Pre-trains BERT by masked LM and next-sentence prediction.

The input is what `data/create_pretraining_data.py` or google-research/bert's
script of that name writes; the output is a released-BERT checkpoint. The same
command resumes a stopped run.
"""

from cli import device_flags, pretraining_flags, run_flags, script

pretraining_flags.define()


def main(_: list[str]) -> None:
  """Turns the flags into options and runs the job."""
  options = pretraining_flags.options()
  device_flags.prepare(options.devices)

  from training import pretraining

  pretraining.run(options, run_flags.command)


if __name__ == '__main__':
  script.run(main, reads_records=True)
