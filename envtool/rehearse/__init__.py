"""Would this script run on an accelerator? It runs on the CPU, with tensors that say they are on one."""
