"""Lockfiles for every platform and variant of a spec: solved in this process by py-rattler, written by envtool itself.

``request`` says what is asked, ``choose`` what the catalog makes of it, ``engine`` solves, ``model`` is what comes out,
and ``conda_lock_v1``, ``pixi``, ``explicit`` and ``environment_yml`` write it down.
"""
