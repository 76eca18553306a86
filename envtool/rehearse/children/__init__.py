"""What runs in the script's interpreter: torch 2.0 and newer, Python 3.8 and newer; never imported by envtool."""
