"""Flags: each module defines a group and turns it into one value."""
