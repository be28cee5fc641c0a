"""Whether this machine rounds as the one that A1111's numbers were recorded on."""

import torch

SAME_ARITHMETIC = torch.__version__.startswith("2.13.") and torch.backends.cpu.get_cpu_capability() == "AVX512"
"""The same torch with the same vector instructions, which decide the last place of logarithms and exponentials: then every number that
is made one by one must be A1111's, bit for bit."""
SAME_SUMS = SAME_ARITHMETIC and torch.get_num_threads() == 1
"""And in one thread, as there: then sums run in the same order, and matrix products must be A1111's too."""
