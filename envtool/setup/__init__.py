"""Files that set up one place to run a course in: a notebook, a job, a container, a workflow."""
