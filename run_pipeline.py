"""Goes from a table of labelled texts to a small model that labels texts.

The command splits the table, fine-tunes the teacher, lets it score unlabelled
texts, and trains the student on its scores. It runs this project's scripts and
prints their commands. It says first what it will do, which values it has
chosen, and about how long it takes. The same command resumes a stopped one.
"""

from cli import flag_group, pipeline_flags, script

pipeline_flags.define()


def main(_: list[str]) -> None:
  """Turns the flags into options and runs the pipeline."""
  options = pipeline_flags.options()

  from pipeline import run

  run.run(options, lambda lines: script.show(map(flag_group.as_flags, lines)))


if __name__ == '__main__':
  script.run(main)
