"""`python -m vargpt_eval`, which torchrun starts with -m."""

from vargpt_eval.cli import main

main()
