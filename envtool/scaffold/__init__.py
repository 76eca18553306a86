"""Scaffolds: a project or a course, rendered by cookiecutter from the templates that envtool carries."""
