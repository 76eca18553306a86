"""``envtool install``: makes or repairs an environment, with uv or pip, and leaves the old one working if it can't."""
