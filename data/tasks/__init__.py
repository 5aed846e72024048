"""Tasks of GLUE, XNLI and users: splits, examples, labels and records."""
