"""Compiles the steps of jobs for TPUs, for `tools.tpu_preflight`."""
