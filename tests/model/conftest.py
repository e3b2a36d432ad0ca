"""One thread a test process: the suite runs a process a core, and threads that wait on each other
take ten times as long there."""

import torch

torch.set_num_threads(1)
