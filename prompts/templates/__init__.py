"""Prompt templates as text files, each with an id and a version."""
