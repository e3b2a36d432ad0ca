"""VARGPT toolkit, data sets: plan, write, check and publish instruction rows."""
