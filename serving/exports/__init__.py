"""Trained models in the formats of other ecosystems, each checked.

`exporting` writes a format under a temporary name, lets a fresh process load it
with only that ecosystem's packages, and compares. A format is a module with a
`FORMAT`; `formats` lists them.
"""
