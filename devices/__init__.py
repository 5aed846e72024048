"""Devices: strategies, workers, TPUs, and one replica's step as a program."""
