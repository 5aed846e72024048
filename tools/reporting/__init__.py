"""Turns the results of experiments into tables, figures and a page."""
