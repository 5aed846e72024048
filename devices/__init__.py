"""Devices: strategies, workers, TPUs, and a replica's step as a program."""
