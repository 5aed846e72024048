"""Distils a fine-tuned teacher into a compact student, through a logits dump.

--do_dump_logits scores a transfer set with the teacher and writes the dump to
--logits_dir; --do_import_logits makes one of the scores that any other model,
program or person gave to texts. --do_train trains a student on the dumps of
one or several teachers. --do_eval and --do_predict work as in
run_classifier.py, which can fine-tune the student afterwards
(--init_checkpoint). The same command resumes a stopped job.
"""

from cli import device_flags, distillation_flags, run_flags, script

distillation_flags.define()


def main(_: list[str]) -> None:
  """Turns the flags into options and runs the job."""
  options = distillation_flags.options()
  device_flags.prepare(options.devices)

  from distillation import run

  run.run(options, run_flags.command)


if __name__ == '__main__':
  script.run(main, reads_records=True)
