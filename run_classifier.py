"""Fine-tunes, evaluates and applies BERT on single sentences or pairs.

The same command resumes a stopped run.
"""

from cli import classifier_flags, device_flags, run_flags, script

classifier_flags.define()


def main(_: list[str]) -> None:
  """Turns the flags into options and runs the job."""
  options = classifier_flags.options()
  device_flags.prepare(options.devices)

  from training import fine_tuning

  fine_tuning.run(options, run_flags.command)


if __name__ == '__main__':
  script.run(main, reads_records=True)
